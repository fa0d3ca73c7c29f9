"""`registry-crawler publish`, and the publishing of what `crawl --lake` took."""

import logging
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crawler.cli import logs
from crawler.cli.error_output import exit_on_error
from crawler.cli.options import ConfigFile, LogFormatOption, OutputFolder
from crawler.cli.process import raise_on_signals
from crawler.cli.snapshot_options import SnapshotArgument
from crawler.errors import ConfigError, SnapshotError
from crawler.untrusted_text import printable

if TYPE_CHECKING:
    from crawler.config import LakeConfig
    from crawler.lake.publish import Lake, Publication

LakeOption = Annotated[
    str | None,
    typer.Option("--lake", metavar="URL", help="s3://BUCKET/PATH, gs://…, az://… or file:///FOLDER"),
]


def publish(
    snapshot: SnapshotArgument = "",
    lake: LakeOption = None,
    config: ConfigFile = None,
    output: OutputFolder = None,
    log_format: LogFormatOption = logs.LogFormat.TEXT,
) -> None:
    """Publish a snapshot to a lake, as Parquet, JSON lines or Delta tables (lake.format). Twice is once.

    Credentials come from the provider's variables: AWS_ACCESS_KEY_ID …, GOOGLE_APPLICATION_CREDENTIALS,
    AZURE_STORAGE_ACCOUNT_NAME … Readers see the run with all its rows, or not at all.

    Exit code: 0 published, now or earlier, 1 not published, 2 bad usage or configuration, 130/143 interrupted.

    \b
    Examples:
      registry-crawler publish --lake s3://my-bucket/registry
      registry-crawler publish gcr.io/my-project@2026-11-20 --lake file:///srv/lake
    """  # noqa: D301  (typer keeps the line breaks of a paragraph after \b)
    from crawler.config import STDIO, Flag, PublishConfig
    from crawler.tables.selection import select_snapshot

    logs.configure(log_format, verbosity=0)
    raise_on_signals()
    values = {"--lake": ("lake.url", lake), "--output": ("output.path", output)}
    with exit_on_error():
        tables = PublishConfig.load(config, [Flag(name, *each) for name, each in values.items() if each[1] is not None])
        if tables.output.path == STDIO:
            raise ConfigError(["--output: standard output holds no snapshots"])
        opened = open_configured_lake(tables.lake)
        if opened is None:
            raise ConfigError(["name a lake: --lake URL, or lake.url in the configuration"])
        folder = select_snapshot(tables.output.path, snapshot).folder
        with scratch_folder() as scratch:
            report_publication(_in_a_thread(folder, opened, scratch), opened)


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


def _in_a_thread(folder: Path, lake: "Lake", scratch: Path) -> "Publication":
    """Publish in a thread: a signal handler runs in the main thread, and not while that waits for an upload."""
    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(publish_folder, folder, lake, scratch).result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
