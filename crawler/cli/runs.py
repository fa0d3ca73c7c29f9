"""`registry-crawler runs`: snapshots and unfinished runs in the output folder."""

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from crawler.cli import logs
from crawler.cli.error_output import exit_on_error
from crawler.cli.options import Cache, ConfigFile, LogFormatOption, OutputFolder, RunId, Targets
from crawler.cli.rows import Format, print_rows
from crawler.cli.snapshot_options import FormatOption, output_settings
from crawler.errors import ConfigError, SnapshotError
from crawler.untrusted_text import printable, quoted_path

if TYPE_CHECKING:
    from crawler.lake.retention import PrunedLake


class _ListsByDefault(TyperGroup):
    """The group of commands whose first word may be missing: `runs TARGET` is `runs list TARGET`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        is_named = bool(args) and args[0] in {*self.commands, "-h", "--help"}
        return super().parse_args(ctx, args if is_named else ["list", *args])


runs = typer.Typer(
    cls=_ListsByDefault,
    help="List the snapshots and unfinished runs of each target, or of TARGET (`runs TARGET` is `runs list TARGET`).",
    rich_markup_mode=None,
)

TargetArgument = Annotated[
    str, typer.Argument(metavar="[TARGET]", help="Only the runs of this target", show_default=False)
]


@runs.command(name="list")
def list_runs(
    target: TargetArgument = "",
    form: FormatOption = Format.TABLE,
    config: ConfigFile = None,
    output: OutputFolder = None,
    log_format: LogFormatOption = logs.LogFormat.TEXT,
) -> None:
    """List snapshots and unfinished runs, target by target, the newest first.

    The changes are those since the target's last complete snapshot before the run. "repositories" counts those that
    were listed (ok).

    Exit code: 0 done, 1 there is no run of the target, or a folder cannot be read, 2 bad usage.
    """
    from crawler.questions.kept_runs import KeptRun, kept_runs
    from crawler.snapshot.locks import configured_locks
    from crawler.snapshot.unfinished import UnfinishedRuns

    logs.configure(log_format, verbosity=0)
    with exit_on_error():
        settings = output_settings(config, output)
        unfinished = UnfinishedRuns(settings.path, configured_locks(settings))
        found = kept_runs(settings.path, unfinished, target or None)
        if target and not found:
            raise SnapshotError(f"there is no run of {printable(target)} in {quoted_path(settings.path)}")
        columns = [field.name for field in fields(KeptRun)]
        print_rows(columns, [[getattr(run, name) for name in columns] for run in found], form)


@runs.command()
def discard(
    run_id: RunId,
    config: ConfigFile = None,
    output: OutputFolder = None,
    log_format: LogFormatOption = logs.LogFormat.TEXT,
) -> None:
    """Delete an unfinished run and its records. Refused while a process works on the run.

    RUN_ID is the name of the run, as crawl prints it and as in the folder .unfinished.

    Exit code: 0 deleted, 1 could not be deleted, 2 bad usage, or no such run.
    """
    from crawler.snapshot.locks import configured_locks
    from crawler.snapshot.unfinished import UnfinishedRuns

    logs.configure(log_format, verbosity=0)
    with exit_on_error():
        settings = output_settings(config, output)
        unfinished = UnfinishedRuns(settings.path, configured_locks(settings))
        try:
            unfinished.discard(run_id)
        except LookupError as exc:
            message = f"there is no unfinished run {run_id!r} in {settings.path}; there are: {exc}"
            raise ConfigError([message]) from None
    logs.notice(f"run {run_id} is discarded", logging.INFO)


KeepDaily = Annotated[
    int, typer.Option(metavar="N", min=0, help="Keep the newest complete snapshot of each of the last N days")
]
KeepWeekly = Annotated[
    int, typer.Option(metavar="N", min=0, help="Likewise of the last N weeks, from Monday to Sunday")
]
KeepMonthly = Annotated[int, typer.Option(metavar="N", min=0, help="Likewise of the last N months")]
PrunedLakeUrl = Annotated[
    str | None,
    typer.Option(
        "--lake",
        metavar="URL",
        help="Prune this lake too: s3://BUCKET/PATH, gs://…, az://… or file:///FOLDER. lake.url alone prunes no lake",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Report what would be removed, and remove nothing")]


@runs.command()
def prune(
    targets: Targets = None,
    keep_daily: KeepDaily = 30,
    keep_weekly: KeepWeekly = 8,
    keep_monthly: KeepMonthly = 12,
    dry_run: DryRun = False,
    config: ConfigFile = None,
    output: OutputFolder = None,
    cache: Cache = None,
    lake: PrunedLakeUrl = None,
    log_format: LogFormatOption = logs.LogFormat.TEXT,
) -> None:
    """Remove old snapshots of each TARGET, or of all targets, and what no snapshot mentions from the digest cache.

    A day, week or month (UTC) without a snapshot does not count; 0 turns a rule off. Partial snapshots are kept only
    while they are newer than the newest complete one, by the same rules. The newest snapshot of a target and its newest
    complete one are always kept.

    The cache keeps what the snapshots of all targets in the output folder mention. If several output folders share one
    cache, use --cache none.

    A group of shards that no shard can join any more (resume.within) is removed once a complete snapshot is newer. If
    it has all its shards, and was not merged, it is named, and stays while an older snapshot is kept.

    With --lake, the runs of a lake are removed by the same rules, whatever the output folder has: the newest run of a
    target there and its newest complete one are always kept. Readers who join on `runs` see a run whole, or not at all.

    Exit code: 0 pruned, 1 something could not be read or removed, 2 bad usage, or no such target.

    \b
    Examples:
      registry-crawler runs prune --dry-run
      registry-crawler runs prune gcr.io/my-project --keep-daily 7 --keep-weekly 0 --keep-monthly 0
      registry-crawler runs prune --lake s3://my-bucket/registry
    """  # noqa: D301  (typer keeps the line breaks of a paragraph after \b)
    from crawler.cli.prune import prune as prune_snapshots
    from crawler.cli.prune_mode import DRY_RUN, REMOVING, PruneRequest
    from crawler.config import STDIO, Flag, MergeConfig
    from crawler.snapshot.retention import RetentionRules

    logs.configure(log_format, verbosity=0)
    flags = [Flag("--output", "output.path", output), Flag("--cache", "cache.path", cache)]
    rules = RetentionRules(daily=keep_daily, weekly=keep_weekly, monthly=keep_monthly)
    with exit_on_error():
        if rules.keeps_nothing:
            raise ConfigError(["--keep-daily, --keep-weekly and --keep-monthly: one must not be 0"])
        settings = MergeConfig.load(config, [flag for flag in flags if flag.value is not None])
        if settings.output.path == STDIO:
            raise ConfigError(["--output: standard output holds no snapshots"])
        request = PruneRequest(
            targets=targets or (),
            rules=rules,
            mode=DRY_RUN if dry_run else REMOVING,
            now=datetime.now(UTC),
            within=settings.resume.within,
        )
        opened = _open_lake(config, lake)
        with ThreadPoolExecutor(1) as pool:  # a signal handler runs in the main thread, and not while that asks a lake
            code = pool.submit(prune_snapshots, settings, opened, request).result()
    raise typer.Exit(code)


def _open_lake(config: Path | None, url: str | None) -> "PrunedLake | None":
    """The lake of --lake; None without it. Raises ConfigError."""
    if url is None:
        return None
    from crawler.config import Flag, PublishConfig
    from crawler.lake.retention import open_pruned_lake

    settings = PublishConfig.load(config, [Flag("--lake", "lake.url", url)])
    return None if settings.lake.url is None else open_pruned_lake(settings.lake.url, os.environ)
