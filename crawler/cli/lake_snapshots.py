"""The lake of the configuration, and the publishing of a snapshot there: for `crawl`, `merge` and `publish`."""

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from crawler.cli import logs
from crawler.errors import SnapshotError
from crawler.untrusted_text import printable

if TYPE_CHECKING:
    from crawler.config import LakeConfig
    from crawler.lake.publish import Lake, Publication


def open_configured_lake(config: "LakeConfig") -> "Lake | None":
    """The lake of the configuration; None where there is none. Raises ConfigError."""
    if config.url is None:
        return None
    from crawler.lake.layout import LakeFormat
    from crawler.lake.publish import open_lake

    return open_lake(config.url, LakeFormat(config.format), os.environ)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for what is made before it is uploaded. Raises SnapshotError."""
    try:
        folder = tempfile.TemporaryDirectory(prefix="registry-crawler-", ignore_cleanup_errors=True)
    except OSError as exc:
        raise SnapshotError(f"no temporary folder for the files of the lake: {exc.strerror}: set TMPDIR") from None
    with folder as path:
        yield Path(path)


def publish_folder(folder: Path, lake: "Lake", scratch: Path) -> "Publication":
    """Publish the snapshot in a folder. Raises SnapshotError and LakeError."""
    from crawler.lake.publish import publish_snapshot
    from crawler.tables.selection import select_folder

    return publish_snapshot(select_folder(folder), lake, scratch)


def publication_text(publication: "Publication") -> str:
    """What was published, or what was there already."""
    form = printable(publication.form)
    if not publication.is_new:
        return f"was published already, at {printable(publication.published_at)}, as {form}"
    size = f"{len(publication.objects)} tables, {publication.rows:,} rows, {publication.bytes / 1e6:,.1f} MB"
    return f"published {size} as {form}"


def report_publication(publication: "Publication", lake: "Lake") -> None:
    """Say that a run is published. A format that was asked for in vain is a warning."""
    is_other_format = publication.form != lake.form
    in_vain = f", not as {lake.form}: a run is published in one format" if is_other_format else ""
    logs.notice(
        f"run {publication.run_id} in {printable(publication.lake)}: {publication_text(publication)}{in_vain}",
        logging.WARNING if is_other_format else logging.INFO,
        event="published",
        run_id=publication.run_id,
        lake=publication.lake,
        format=publication.form,
        rows=publication.rows,
        bytes=publication.bytes,
        is_new=publication.is_new,
    )
