"""What a snapshot's files hold, as the values that the run wrote."""

from functools import cache
from pathlib import Path

from msgspec.json import Decoder
from pydantic import TypeAdapter, ValidationError

from crawler.errors import SnapshotError
from crawler.model.record import Record
from crawler.model.run_manifest import RunManifest
from crawler.model.shard_report import ShardReport
from crawler.snapshot.disk import wrap_os_errors
from crawler.snapshot.reader import RUN_MANIFEST
from crawler.untrusted_text import printable, quoted_path


def parse_record(line: bytes) -> Record:
    """The record of one JSON line. Keys that a later version has added are left out. Raises SnapshotError."""
    try:
        return _records().decode(line)
    except ValueError as exc:  # msgspec's errors, and those of strings that are no UTF-8
        raise SnapshotError(f"a line of a snapshot is no record: {printable(str(exc))}") from None


def parse_run_manifest(data: bytes) -> RunManifest:
    """The content of `_run.json`. Raises SnapshotError."""
    try:
        return _run_manifests().validate_json(data)
    except ValidationError as exc:
        raise SnapshotError(f"_run.json is not a run's: {_reason(exc)}") from None


def parse_shard_report(data: bytes, path: Path) -> ShardReport:
    """The content of the `_shard.json` at a path. Raises SnapshotError."""
    try:
        report = _shard_reports().validate_json(data)
    except ValidationError as exc:
        raise SnapshotError(f"{quoted_path(path)}: it is not a shard's: {_reason(exc)}") from None
    if not report.parameters.names_a_place:
        raise SnapshotError(f"{quoted_path(path)}: it names no usable shard")
    return report


def read_run_manifest(folder: Path) -> RunManifest:
    """The run manifest of the snapshot in a folder. Raises SnapshotError."""
    with wrap_os_errors(folder):
        return parse_run_manifest((folder / RUN_MANIFEST).read_bytes())


def _reason(exc: ValidationError) -> str:
    """Where the first mistake is, and what it is, without the value itself."""
    first = exc.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


@cache
def _records() -> Decoder[Record]:
    return Decoder(Record)


@cache
def _run_manifests() -> TypeAdapter[RunManifest]:
    return TypeAdapter(RunManifest)


@cache
def _shard_reports() -> TypeAdapter[ShardReport]:
    return TypeAdapter(ShardReport)
