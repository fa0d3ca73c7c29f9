"""`.shards/GROUP/`: what the shards of one snapshot agree on, and what each of them reports until they are merged.

.shards/GROUP/source=TARGET/terms.json               made by the first shard
.shards/GROUP/source=TARGET/shard=00003-of-00008/    part files, _run.json and _shard.json
"""

import glob
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import orjson

from crawler.errors import SnapshotError
from crawler.model.run_manifest import SHARDS, RunManifest, Verdict, group_folder
from crawler.model.run_parameters import RunParameters, UnreadableParametersError
from crawler.model.shard import Shard
from crawler.model.shard_report import ShardReport
from crawler.snapshot.decoding import parse_shard_report, read_run_manifest
from crawler.snapshot.disk import sync_folder, wrap_os_errors, write_durably
from crawler.snapshot.reader import subfolders
from crawler.untrusted_text import printable, quoted_path

TERMS: Final = "terms.json"
SHARD_REPORT: Final = "_shard.json"

_SHARD_FOLDER: Final = re.compile(r"shard=(\d{5})-of-(\d{5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredShard:
    """A shard that is published, and not merged yet."""

    folder: Path
    shard: Shard
    run_manifest: RunManifest
    report: ShardReport


def join_group(output: Path, parameters: RunParameters) -> RunParameters:
    """The terms of a group, which its first shard sets: that shard's parameters. Blocks on the disk.

    The folder appears in one rename, with the terms in it: of two shards that begin at once one is first, and the other
    reads what it has set. Raises SnapshotError.
    """
    folder = output / group_folder(str(parameters.group), parameters.target)
    new = folder.with_name(f".{parameters.run_id}.new")
    with wrap_os_errors(folder):
        if not (folder / TERMS).exists():
            new.mkdir(parents=True)
            try:
                write_durably(new / TERMS, parameters.dump())
                with suppress(OSError):  # another shard was first; for any other reason there is nothing to read below
                    new.rename(folder)
            finally:
                shutil.rmtree(new, ignore_errors=True)
            sync_folder(folder.parent)
        content = (folder / TERMS).read_bytes()
    return parse_terms(content, quoted_path(folder / TERMS))


def parse_terms(content: bytes, place: str) -> RunParameters:
    """The content of a group's terms. `place`, where they are, is for the error. Raises SnapshotError."""
    try:
        return RunParameters.parse(content, str(orjson.loads(content)["run_id"]))
    except (UnreadableParametersError, ValueError, KeyError, TypeError) as exc:
        reason = exc if isinstance(exc, UnreadableParametersError) else "it is not of a run"
        raise SnapshotError(f"{place}: {reason}: use another --group") from None


def merged_runs(output: Path, group: str, source: str | None = None) -> Iterator[RunManifest]:
    """The complete snapshots that a group was merged into: the group is removed then.

    `source` is the name of a target's folder; None for all targets. What cannot be read is passed over.
    """
    sources = "source=*" if source is None else glob.escape(source)
    for folder in sorted(output.glob(f"{sources}/date=*/run=*")):
        with suppress(SnapshotError):
            run_manifest = read_run_manifest(folder)
            if run_manifest.group == group and run_manifest.verdict is Verdict.COMPLETE:
                yield run_manifest


def differences(ours: RunParameters, theirs: RunParameters) -> str:
    """The terms in which two shards of a group differ, as a phrase: all parameters but the shard's number."""
    return "; ".join(replace(theirs, shard=None).differences(replace(ours, shard=None)))


def group_folders(output: Path, group: str) -> list[Path]:
    """The folder of each target in a group. Raises SnapshotError."""
    return subfolders(output / SHARDS / group, "source=")


def stored_shards(folder: Path) -> list[StoredShard]:
    """The shards in a group's folder of one target, by their number. Raises SnapshotError where one is unreadable."""
    named = [(child, _SHARD_FOLDER.fullmatch(child.name)) for child in subfolders(folder, "shard=")]
    return [_stored_shard(child, f"{int(match[1])}/{int(match[2])}") for child, match in named if match is not None]


def _stored_shard(folder: Path, named: str) -> StoredShard:
    run_manifest = read_run_manifest(folder)
    path = folder / SHARD_REPORT
    with wrap_os_errors(path):
        report = parse_shard_report(path.read_bytes(), path)
    part = report.parameters.part
    if part is None or str(part) != named or run_manifest.shard != named:
        raise SnapshotError(f"{quoted_path(folder)}: holds shard {printable(str(run_manifest.shard))}, not {named}")
    if report.parameters.run_id != run_manifest.run_id or (report.seen and len(report.seen) != part.count):
        raise SnapshotError(f"{quoted_path(path)}: it is not of the run in the _run.json beside it")
    return StoredShard(folder=folder, shard=part, run_manifest=run_manifest, report=report)
