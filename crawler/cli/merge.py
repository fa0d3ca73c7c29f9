"""`registry-crawler merge`: the shards of a group become one snapshot."""

import logging
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from crawler.cli import logs, options
from crawler.cli.error_output import exit_on_error
from crawler.cli.exit_codes import COMPLETE, COULD_NOT_RUN, PARTIAL, worst_code
from crawler.cli.process import raise_on_signals
from crawler.errors import ConfigError, LakeError, SnapshotError
from crawler.model.run_manifest import Verdict
from crawler.model.words import repositories
from crawler.untrusted_text import printable, quoted_path

if TYPE_CHECKING:
    from pathlib import Path

    from crawler.config import MergeConfig
    from crawler.lake.held_shards import HeldGroup
    from crawler.lake.publish import Lake
    from crawler.model.run_manifest import RunManifest
    from crawler.scale.merge import Merged


GroupOption = Annotated[
    str | None, typer.Option("--group", metavar="ID", help="The id of the group, as given to `crawl --group`")
]
LakeOption = Annotated[
    str | None,
    typer.Option(
        "--lake",
        metavar="URL",
        help="Take shards that were uploaded there, and publish the snapshot there too: s3://BUCKET/PATH, gs://…, "
        "az://… or file:///FOLDER  [default: none]",
    ),
]
TargetArgument = Annotated[
    str, typer.Argument(metavar="[TARGET]", help="Only the shards of this target", show_default=False)
]


def merge(
    target: TargetArgument = "",
    group: GroupOption = None,
    config: options.ConfigFile = None,
    output: options.OutputFolder = None,
    cache: options.Cache = None,
    lake: LakeOption = None,
    metrics_file: options.MetricsFile = None,
    pushgateway: options.Pushgateway = None,
    notify: options.Notify = None,
    expect: options.Expect = None,
    max_shrink: options.MaxShrink = None,
    partial_ok: options.PartialOk = False,
    no_lock: options.NoLock = False,
    log_format: options.LogFormatOption = logs.LogFormat.TEXT,
) -> None:
    """Merge the shards of a group into one snapshot with one verdict, for each target that they crawled.

    Until then no other command sees the shards, which are in .shards in the output folder, and with --lake in the lake
    that they were uploaded to (crawl --shard --lake). Shards from several disks without a lake are copied there first.
    A shard that did not report makes the snapshot partial; merge again when it has. Once the snapshot is complete the
    shards are removed. The configuration may be that of the shards.

    Exit code: 0 complete, 1 could not be merged, or not published to the lake, 2 bad usage or configuration, 3 merged
    but partial (0 with --partial-ok).

    \b
    Examples:
      registry-crawler merge --group 2026-11-27
      registry-crawler merge gcr.io/my-project --group 2026-11-27 --lake s3://my-bucket/registry
    """  # noqa: D301  (typer keeps the line breaks of a paragraph after \b)
    from crawler.cli.lake_snapshots import open_configured_lake
    from crawler.config import STDIO, Flag, MergeConfig

    logs.configure(log_format, verbosity=0)
    raise_on_signals()
    values = {
        "--group": ("scale.group", group),
        "--output": ("output.path", output),
        "--cache": ("cache.path", cache),
        "--lake": ("lake.url", lake),
        "--metrics": ("metrics.textfile", metrics_file),
        "--pushgateway": ("metrics.pushgateway", pushgateway),
        "--notify": ("notify.url", notify),
        "--expect": ("verdict.expect", expect),
        "--max-shrink": ("verdict.max_shrink", max_shrink),
        "--partial-ok": ("verdict.partial_ok", partial_ok or None),
        "--no-lock": ("output.lock", False if no_lock else None),
    }
    flags = [Flag(name, key, value) for name, (key, value) in values.items() if value is not None]
    with exit_on_error():
        settings = MergeConfig.load(config, flags)
        if settings.output.path == STDIO:
            raise ConfigError(["--output: standard output holds no shards"])
        if settings.scale.group is None:
            raise ConfigError(["name the group whose shards are merged: --group ID"])
        opened = open_configured_lake(settings.lake)
        raise typer.Exit(_merge(settings, settings.scale.group, _source(target), opened))


def _source(target: str) -> str | None:
    """The name of a target's folder; None for all targets. Raises ConfigError."""
    from crawler.model.names import Target
    from crawler.model.run_manifest import source_folder

    try:
        return source_folder(str(Target.parse(target))) if target else None
    except ValueError as exc:
        raise ConfigError([f"TARGET '{printable(target)}': {exc}"]) from None


def _merge(config: "MergeConfig", group: str, source: str | None, lake: "Lake | None") -> int:
    """Merge a group, for each of its targets. Returns the exit code. Raises SnapshotError where there is no group, and
    LakeError where only the lake may have it, and cannot be read.

    A target whose shards cannot be merged does not stop the others.
    """
    from crawler.cli.merge_lake import sources_in_lake
    from crawler.lake.held_shards import HeldShards
    from crawler.model.run_manifest import SHARDS
    from crawler.scale.merge import remove_left_folders
    from crawler.snapshot.shards import group_folders, merged_runs

    folder, on_disk = config.output.path / SHARDS / group, group_folders(config.output.path, group)
    held = None if lake is None else HeldShards.open(lake.url, os.environ)
    in_lake = set[str]() if held is None else sources_in_lake(held, group, on_disk, config)
    codes = [] if in_lake is not None else [COULD_NOT_RUN]
    names = [name for name in sorted({*(each.name for each in on_disk), *(in_lake or ())}) if source in {None, name}]
    if names:
        _fetch_cache(config)
    for name in names:
        held_group = held.group(group, name) if held is not None and name in (in_lake or ()) else None
        codes.append(_merge_target(folder / name, config, lake, held_group))
    if not codes:
        codes = [_repeat(run, config, lake) for run in merged_runs(config.output.path, group, source)]
        remove_left_folders(folder)
    if not codes:
        places = [quoted_path(config.output.path), *([] if lake is None else [printable(lake.url)])]
        raise SnapshotError(f"there are no shards of group {group} in {' or in '.join(places)}")
    return worst_code(codes)


def _merge_target(folder: "Path", config: "MergeConfig", lake: "Lake | None", held: "HeldGroup | None") -> int:
    """Merge the shards of one target, those that the lake holds with those in the folder. Returns the exit code."""
    from crawler.cli.merge_lake import fetch_shards, remove_shards, report_merged_elsewhere
    from crawler.scale.merge import merge_group

    try:
        before = None if held is None else fetch_shards(held, folder, config)
        if held is not None and before is not None:
            here = _merged_here(held, config)
            if here is None:
                report_merged_elsewhere(held, before, folder, config)
                return COMPLETE
            if not folder.exists():
                remove_shards(held, before.run_id)  # a kill may have left some
                return _repeat(here, config, lake)
        merged = merge_group(folder, config)
    except (SnapshotError, LakeError) as exc:
        logs.notice(str(exc), logging.ERROR)
        return COULD_NOT_RUN
    code = _publish(merged, config, lake)
    if held is not None and code != COULD_NOT_RUN and merged.run_manifest.verdict is Verdict.COMPLETE:
        remove_shards(held, merged.run_manifest.run_id)
    return code


def _fetch_cache(config: "MergeConfig") -> None:
    """Have on this disk what a cache in a lake has: the shards have put there what they read. What fails is said."""
    if config.cache.url is None or config.cache_file is None:
        return
    from crawler.cli.lake_snapshots import scratch_folder
    from crawler.lake.held_cache import HeldCache

    cache = HeldCache.open(config.cache.url, config.cache_file, os.environ)
    with scratch_folder() as scratch:
        for line, level in cache.fetch(scratch):
            logs.notice(line, level)


def _merged_here(held: "HeldGroup", config: "MergeConfig") -> "RunManifest | None":
    """The complete snapshot that a group was merged into, where the output folder has it."""
    from crawler.snapshot.shards import merged_runs

    return next(merged_runs(config.output.path, held.group, held.source), None)


def _repeat(run_manifest: "RunManifest", config: "MergeConfig", lake: "Lake | None") -> int:
    """Report what a group without shards was merged into, as a merge that is repeated. Returns the exit code.

    The snapshot of another night, whose group had the same id, is no success of this one.
    """
    from crawler.scale.merge import Merged
    from crawler.snapshot.unfinished import age_text

    age = datetime.now(UTC) - datetime.fromisoformat(run_manifest.finished_at)
    if age <= config.resume.within:
        return _publish(Merged(run_manifest=run_manifest, is_new=False, notes=()), config, lake)
    ended = f"{age_text(age)}, at {printable(run_manifest.finished_at)}"
    logs.notice(
        f"{run_manifest.target}: there are no shards of group {run_manifest.group}; those of the same id which "
        f"{quoted_path(run_manifest.folder)} is merged from ended {ended}: use another --group for each night",
        logging.ERROR,
    )
    return COULD_NOT_RUN


def _publish(merged: "Merged", config: "MergeConfig", lake: "Lake | None") -> int:
    """Report the snapshot of one target, and do all that follows a run. Returns the exit code of this target."""
    import anyio

    run_manifest = merged.run_manifest
    _report(merged, config)
    code = PARTIAL if run_manifest.reasons and not config.verdict.partial_ok else COMPLETE
    if lake is not None and not _is_in_lake(run_manifest, config, lake):
        code = COULD_NOT_RUN
    if merged.is_new:
        anyio.run(_follow_up, run_manifest, code, config)
    return code


def _is_in_lake(run_manifest: "RunManifest", config: "MergeConfig", lake: "Lake") -> bool:
    """Publish a snapshot to the lake. Returns whether it is there then; if not, it is said why."""
    from crawler.cli.lake_snapshots import publish_folder, report_publication, scratch_folder

    try:
        with scratch_folder() as scratch:
            report_publication(publish_folder(config.output.path / run_manifest.folder, lake, scratch), lake)
    except (LakeError, SnapshotError) as exc:
        logs.notice(f"{run_manifest.target}: {exc}", logging.ERROR)
        return False
    return True


async def _follow_up(run_manifest: "RunManifest", code: int, config: "MergeConfig") -> None:
    from crawler.cli.after_run import AfterRuns, EndedRun, MergedRun
    from crawler.cli.signals import Signals

    async with Signals.installed() as signals:
        await AfterRuns(config, signals).follow_up(EndedRun(MergedRun(run_manifest), run_manifest, code))


def _report(merged: "Merged", config: "MergeConfig") -> None:
    run_manifest = merged.run_manifest
    for note in merged.notes:
        logs.notice(f"{run_manifest.target}: {note}")
    how = "merged" if merged.is_new else "was merged already"
    snapshot = config.output.path / run_manifest.folder
    verdict = run_manifest.verdict.upper()
    lines = "; ".join([f"{verdict}: {repositories(run_manifest.counts.repositories)}", *run_manifest.reasons])
    logs.notice(
        f"{run_manifest.target}: group {run_manifest.group} {how}: {lines}; {quoted_path(snapshot)}",
        logging.WARNING if run_manifest.reasons else logging.INFO,
        event="merged",
        target=run_manifest.target,
        group=run_manifest.group,
        run_id=run_manifest.run_id,
        verdict=run_manifest.verdict,
        reasons=run_manifest.reasons,
        snapshot=str(snapshot),
        is_new=merged.is_new,
    )
