"""`registry-crawler publish`: a snapshot is published to a lake, as often as one likes."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crawler.cli import logs
from crawler.cli.error_output import exit_on_error
from crawler.cli.lake_snapshots import open_configured_lake, publish_folder, report_publication, scratch_folder
from crawler.cli.options import ConfigFile, LogFormatOption, OutputFolder
from crawler.cli.process import raise_on_signals
from crawler.cli.snapshot_options import SnapshotArgument
from crawler.errors import ConfigError

if TYPE_CHECKING:
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


def _in_a_thread(folder: Path, lake: "Lake", scratch: Path) -> "Publication":
    """Publish in a thread: a signal handler runs in the main thread, and not while that waits for an upload."""
    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(publish_folder, folder, lake, scratch).result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
