"""From a journal to a snapshot: a draft is made beside the journal, counted, and moved to its place in one rename."""

import logging
import shutil
from pathlib import Path

import orjson

from crawler.errors import SnapshotError
from crawler.model.run_manifest import RunManifest, SnapshotFile, Verdict
from crawler.snapshot.disk import sync_folder, wrap_os_errors, write_durably
from crawler.snapshot.journal import Journal
from crawler.snapshot.parts import LineFinisher, copy_part, describe_part
from crawler.snapshot.reader import RUN_MANIFEST, SUCCESS
from crawler.untrusted_text import quoted_path

log = logging.getLogger(__name__)


class Draft:
    """A snapshot that is not published yet, in a folder within the journal's, where no loader looks.

    A draft that a kill left is made again. Both methods block on the disk, and raise SnapshotError.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._folder = journal.folder / "draft"

    def write(self, compression: str, rows: int, finish_line: LineFinisher | None = None) -> tuple[SnapshotFile, ...]:
        """Copy the journal's parts, compressed if asked to, and describe what the copies hold.

        The journal may still be appended to: the copies do not change. `rows` is how many records were written to the
        journal; a journal with more or fewer lines is not published. `finish_line` changes the lines on their way.
        """
        with wrap_os_errors(self._folder):
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir()
            parts = [copy_part(part, self._folder, compression, finish_line) for part in self._journal.parts]
            files = tuple(describe_part(part) for part in parts)
        lines = sum(file.rows for file in files)
        if lines != rows:
            raise SnapshotError(
                f"{quoted_path(self._journal.folder)}: the journal holds {lines:,} lines, but {rows:,} records were "
                "written to it: nothing is published; rerun with --resume to continue"
            )
        return files

    def publish(self, output: Path, run_manifest: RunManifest) -> Path:
        """Publish the draft: write `_run.json`, and `_SUCCESS` where the verdict is complete, move the folder to its
        place, and remove the journal. Returns the snapshot's folder.
        """
        place = output / run_manifest.folder
        with wrap_os_errors(place):
            content = orjson.dumps(run_manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
            write_durably(self._folder / RUN_MANIFEST, content)
            if run_manifest.verdict is Verdict.COMPLETE:
                write_durably(self._folder / SUCCESS, b"")
            sync_folder(self._folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            self._folder.rename(place)
        _sync_rename(place, output)
        self._journal.discard()
        return place


def _sync_rename(place: Path, output: Path) -> None:
    """Bring the rename to the disk. The snapshot is published by now, so a failure here does not fail the run."""
    try:
        for folder in (place.parent, place.parent.parent, output):
            sync_folder(folder)
    except OSError as exc:
        log.warning("%s is published, but a power cut may undo it: %s", quoted_path(place), exc.strerror)
