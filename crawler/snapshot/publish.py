"""From a journal to a snapshot: a draft is made beside the journal, counted, and moved to its place in one rename."""

import errno
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import orjson

from crawler.errors import SnapshotError
from crawler.model.run_manifest import RunManifest, SnapshotFile, Verdict
from crawler.snapshot.disk import sync_folder, wrap_os_errors, write_durably
from crawler.snapshot.journal import Journal
from crawler.snapshot.parts import LineFinisher, describe_part, draft_part
from crawler.snapshot.reader import RUN_MANIFEST, SUCCESS
from crawler.untrusted_text import quoted_path

log = logging.getLogger(__name__)

_TAKEN: Final = frozenset({errno.EEXIST, errno.ENOTEMPTY})
"""What rename(2) answers where a folder with files is in the place."""


class Draft:
    """A snapshot that is not published yet, in a folder within the journal's, where no loader looks.

    A draft that a kill left is made again. Both methods block on the disk, and raise SnapshotError.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._folder = journal.draft_folder

    def write(self, compression: str, rows: int, finish_line: LineFinisher | None = None) -> tuple[SnapshotFile, ...]:
        """Make the snapshot's files from the journal's parts, compressed if asked to, and describe what they hold.

        A file that is not compressed may be the journal's own, under a second name: whoever appends to the journal
        afterwards has to make the draft again. `rows` is how many records were written to the journal; a journal with
        more or fewer lines is not published. `finish_line` changes the lines on their way.
        """
        with wrap_os_errors(self._folder):
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir()
            parts = [draft_part(part, self._folder, compression, finish_line) for part in self._journal.parts]
            files = tuple(describe_part(part) for part in parts)
        lines = sum(file.rows for file in files)
        if lines != rows:
            raise SnapshotError(
                f"{quoted_path(self._journal.folder)}: the journal holds {lines:,} lines, but {rows:,} records were "
                "written to it: nothing is published; rerun with --resume to continue"
            )
        return files

    def publish(self, output: Path, run_manifest: RunManifest, more: Mapping[str, bytes] | None = None) -> Path | None:
        """Publish the draft, and remove the journal; see `publish_folder`."""
        place = publish_folder(self._folder, output, run_manifest, more)
        self._journal.discard()
        return place


def publish_folder(
    draft: Path, output: Path, run_manifest: RunManifest, more: Mapping[str, bytes] | None = None
) -> Path | None:
    """Publish a folder with data files: write `_run.json`, and `_SUCCESS` where the verdict is complete, and move the
    folder to its place. `more` are further files by their names.

    Returns the place; None, and nothing is moved, where another process has published there. Raises SnapshotError.
    """
    place = output / run_manifest.folder
    with wrap_os_errors(place):
        content = orjson.dumps(run_manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        for name, data in {RUN_MANIFEST: content, **(more or {})}.items():
            write_durably(draft / name, data)
        if run_manifest.verdict is Verdict.COMPLETE:
            write_durably(draft / SUCCESS, b"")
        sync_folder(draft)
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.rename(place)
        except OSError as exc:
            if exc.errno not in _TAKEN:
                raise
            return None
    _sync_rename(place, output)
    return place


def _sync_rename(place: Path, output: Path) -> None:
    """Bring the rename to the disk. The snapshot is published by now, so a failure here does not fail the run."""
    try:
        for folder in (place.parent, place.parent.parent, output):
            sync_folder(folder)
    except OSError as exc:
        log.warning("%s is published, but a power cut may undo it: %s", quoted_path(place), exc.strerror)
