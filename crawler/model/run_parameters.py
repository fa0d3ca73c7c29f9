"""`begun.json`: what a run was begun with; it is found again by that, and not resumed where any of it changed."""

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final, Self

import orjson
from pydantic import TypeAdapter, ValidationError

from crawler.model.names import Target
from crawler.model.run_manifest import snapshot_folder
from crawler.untrusted_text import printable

PARAMETERS_VERSION: Final = 1
"""The version of `begun.json`. One of another version is another program's to go on with."""

_OF_THE_RUN: Final = frozenset({"version", "run_id", "started_at", "resumed_at"})


class UnreadableParametersError(ValueError):
    """A `begun.json` that this version cannot go on with. `target` is "" where it does not say."""

    def __init__(self, why: str, target: str = "") -> None:
        self.target = target
        super().__init__(why)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunParameters:
    """What a run was begun with.

    Attributes:
        resumed_at: when it was resumed, each time; RFC 3339.
        identity: who we are at the registry; see `RunManifest.identity`.
        discovery: the method as configured; `repositories_from` the list's path, with escapes where it is not UTF-8.
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

    @property
    def place(self) -> str:
        """Where the run's snapshot will lie, relative to the output folder."""
        return snapshot_folder(self.target, self.started_at, self.run_id)

    def age(self, moment: datetime) -> timedelta:
        return moment - datetime.fromisoformat(self.started_at)

    def differences(self, now: "RunParameters") -> list[str]:
        """What changed that may change the registry's answers, each in words."""
        names = [field.name for field in fields(self) if field.name not in _OF_THE_RUN]
        return [
            f"{name} was {_quoted(getattr(self, name))} and is {_quoted(getattr(now, name))}"
            for name in names
            if getattr(self, name) != getattr(now, name)
        ]

    def dump(self) -> bytes:
        return orjson.dumps(self, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def parse(cls, content: bytes, run_id: str) -> Self:
        """Read a `begun.json` that lies in the folder `run_id`. Raises UnreadableParametersError."""
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
        return parameters


def _target(document: Any) -> str:
    """The target that a document names, if any, whatever else is wrong with it."""
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
