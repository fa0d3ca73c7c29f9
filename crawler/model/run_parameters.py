"""`begun.json`: the parameters that a run was begun with. A run is resumed only where none of them has changed."""

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final, Self

import orjson
from pydantic import TypeAdapter, ValidationError

from crawler.model.names import Target
from crawler.model.run_manifest import shard_folder, snapshot_folder
from crawler.model.shard import Shard, is_group_id
from crawler.untrusted_text import printable

PARAMETERS_VERSION: Final = 2
"""The version of `begun.json`. A run whose file has another version is not resumed."""

_NOT_COMPARED: Final = frozenset({"version", "run_id", "started_at", "resumed_at", "agreed_at"})
"""Fields that differ between a run and the command that resumes it, and between shards of several disks."""


class UnreadableParametersError(ValueError):
    """A `begun.json` of a run that this version cannot resume. `target` is "" where the file does not name it."""

    def __init__(self, reason: str, target: str = "") -> None:
        self.target = target
        super().__init__(reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunParameters:
    """What a run was begun with: all that may change the registry's answers.

    Attributes:
        started_at: when the run was begun, in RFC 3339.
        resumed_at: when it was resumed, each time, in RFC 3339.
        target: as configured, `HOST[:PORT][/PREFIX]`.
        kind: the registry product; see `RunManifest.kind`.
        identity: the account at the registry; see `RunManifest.identity`.
        images_from: as configured: the listing, or the registry's own API.
        location: the Artifact Registry location, as configured; None where the host gives it.
        api_path: the path of the distribution API on the host, usually `/v2/`.
        discovery: the method as configured.
        repositories_from: the path of the list of names, with escapes where it is not UTF-8.
        include: patterns of repository names, as configured.
        exclude: likewise.
        depth: how deep images are read.
        referrers: how referrers are looked for.
        include_tags: patterns of the tags whose images are read, as configured.
        exclude_tags: likewise.
        group: the id of the shards that the run is one of; None for a run of a whole snapshot, as the next three.
        shards: how many shards there are.
        shard: which of them the run is, counted from 0.
        balanced_by: the snapshot by whose costs repositories are shared out; None where their names decide alone.
        agreed_at: when the shards agreed on their terms, in RFC 3339: the `started_at` of the shard that set them.
    """

    version: int = PARAMETERS_VERSION
    run_id: str
    started_at: str
    resumed_at: tuple[str, ...] = ()
    target: str
    kind: str
    identity: str
    images_from: str
    location: str | None
    api_path: str
    discovery: str
    repositories_from: str | None
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    depth: str
    referrers: str
    include_tags: tuple[str, ...]
    exclude_tags: tuple[str, ...]
    group: str | None = None
    shards: int | None = None
    shard: int | None = None
    balanced_by: str | None = None
    agreed_at: str | None = None

    @property
    def folder(self) -> str:
        """The folder of the run's snapshot once it is published, relative to the output folder."""
        part = self.part
        if part is not None and self.group is not None:
            return shard_folder(self.group, self.target, part)
        return snapshot_folder(self.target, self.started_at, self.run_id)

    @property
    def part(self) -> Shard | None:
        """Which shard the run is; None for a run of a whole snapshot."""
        return None if self.shard is None or self.shards is None else Shard(self.shard, self.shards)

    @property
    def names_a_place(self) -> bool:
        """Whether group and shard are those of a shard, or both are absent."""
        if self.group is None:
            return self.shard is None and self.shards is None
        try:
            return is_group_id(self.group) and self.part is not None
        except ValueError:
            return False

    def age(self, now: datetime) -> timedelta:
        """How long ago the run was begun; negative where its beginning is in the future."""
        return now - datetime.fromisoformat(self.started_at)

    def differences(self, current: "RunParameters") -> list[str]:
        """The parameters that differ from `current`, a phrase for each."""
        names = [field.name for field in fields(self) if field.name not in _NOT_COMPARED]
        return [
            f"{name} was {_quoted(getattr(self, name))} and is {_quoted(getattr(current, name))}"
            for name in names
            if getattr(self, name) != getattr(current, name)
        ]

    def dump(self) -> bytes:
        return orjson.dumps(self, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def parse(cls, content: bytes, run_id: str) -> Self:
        """Read the `begun.json` of the folder `run_id`. Raises UnreadableParametersError."""
        try:
            document = orjson.loads(content)
        except orjson.JSONDecodeError:
            raise UnreadableParametersError("its begun.json is not JSON") from None
        target = _target(document)
        version = document.get("version") if isinstance(document, dict) else None
        if version != PARAMETERS_VERSION:
            written = "none" if version is None else _quoted(version)
            raise UnreadableParametersError(f"its begun.json has version {written}, not {PARAMETERS_VERSION}", target)
        try:
            parameters = TypeAdapter(cls).validate_json(content, strict=True)
        except ValidationError as exc:
            names = ", ".join(dict.fromkeys(printable(str(mistake["loc"][0])) for mistake in exc.errors()))
            raise UnreadableParametersError(f"its begun.json has no usable {names}", target) from None
        if not _is_timestamp(parameters.started_at):
            raise UnreadableParametersError("its begun.json has no usable started_at", target)
        if parameters.run_id != run_id or not target:
            raise UnreadableParametersError("its begun.json is of another run", target)
        if not parameters.names_a_place:
            raise UnreadableParametersError("its begun.json has no usable shard", target)
        return parameters


def _target(document: Any) -> str:
    """The target that a document names; "" where it names none, or one that cannot be read."""
    target = document.get("target") if isinstance(document, dict) else None
    try:
        return str(Target.parse(target)) if isinstance(target, str) else ""
    except ValueError:
        return ""


def _is_timestamp(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _quoted(value: Any) -> str:
    return printable(orjson.dumps(value).decode())
