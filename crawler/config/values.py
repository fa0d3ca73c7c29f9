"""The kinds of value that a key may take: how each is read, and what is said of one that cannot be."""

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, SecretStr, ValidationInfo
from pydantic_core import PydanticCustomError

from crawler.model.limits import Rate
from crawler.model.names import Target, is_loopback
from crawler.profiles import PROFILES_BY_KIND
from crawler.untrusted_text import printable

STDIO: Final = Path("-")
"""Standard output as `output.path`, standard input as `registry.repositories_from`."""

CHECKING_FILES: Final = {"files": "checked"}
"""The context of a validation that looks at the files that are named, too: see InputFile."""

UNREADABLE: Final = "unreadable_file"
"""The type of the mistake whose message says all of it: which file, and why."""

_UNIT_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_REALM = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s/@:\\#%]+)(:[0-9]{1,5})?")
_RATE = re.compile(r"([1-9]\d{0,8})/([1-9]\d{0,5})?([smhd])", re.ASCII)
_SHARE = re.compile(r"(\d{1,2}(?:\.\d{1,6})?|100)%", re.ASCII)
_DURATION = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_LONGEST_PATH: Final = 4096


@dataclass(frozen=True, slots=True)
class Takes:
    """Stands beside a type in Annotated: what such a key must be, in words, where the type does not say enough."""

    words: str


def without_ends(text: str) -> str:
    """A text as it was meant, where a file, a pipe or a secret holds a BOM before it, or a newline behind it."""
    text = text.removeprefix("\ufeff")
    return text.removesuffix("\r\n") if text.endswith("\r\n") else text.removesuffix("\n")


def one_of(choices: Iterable[str], given: Any = None) -> str:
    """The choices in words, and the one that is near to what was given."""
    choices = list(choices)
    near = get_close_matches(given.lower(), choices, n=1) if isinstance(given, str) else []
    words = f"one of {', '.join(choices[:-1])} or {choices[-1]}" if len(choices) > 1 else choices[0]
    return words + (f"; did you mean {near[0]}?" if near else "")


def _parse_rate(value: Any) -> Any:
    if value is None or value == "none":
        return None
    if isinstance(value, Rate) or value == "auto":
        return value
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a rate is written 80/s, 50000/10m, auto or none")
    count, number, unit = match.groups()
    return Rate(int(count), int(number or 1) * _UNIT_SECONDS[unit])


def _dump_rate(rate: Any) -> str:
    return f"{rate.count}/{rate.seconds:g}s" if isinstance(rate, Rate) else rate or "none"


def _parse_share(value: Any) -> Any:
    if value is None or value == "none":
        return None
    if isinstance(value, float) and 0 <= value <= 1:
        return value
    if isinstance(value, str) and (match := _SHARE.fullmatch(value)) is not None:
        return float(match[1]) / 100
    raise ValueError("a share is written 20%, or none")


def _dump_share(share: float | None) -> str:
    return "none" if share is None else f"{share * 100:.6g}%"


def _parse_duration(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a duration is written 90m, 20h or 2d")
    return timedelta(seconds=int(match[1]) * _UNIT_SECONDS[match[2]])


def _dump_duration(duration: timedelta) -> str:
    seconds = round(duration.total_seconds())
    unit = next(unit for unit in ("d", "h", "m", "s") if seconds % _UNIT_SECONDS[unit] == 0)
    return f"{seconds // _UNIT_SECONDS[unit]}{unit}"


def _parse_path(value: Any) -> Any:
    # as a Path, because pydantic takes no text that is not UTF-8, and a path may be any bytes
    if not isinstance(value, str | Path):
        return value
    text = _expanded(os.fspath(value))
    if not text:
        raise ValueError("is empty; a path is meant")
    if "\0" in text:
        raise ValueError("no path holds a NUL")
    try:
        os.fsencode(text)
    except UnicodeEncodeError as exc:
        raise ValueError(
            f"file names are {exc.encoding} in this locale, which has no such letters: set LC_ALL=C.UTF-8"
        ) from None
    return Path(text)


def _expanded(path: str) -> str:
    """The path with the home folder in place of `~`. A container's user may have none, and no entry in passwd."""
    expanded = os.path.expanduser(path)  # noqa: PTH111  (Path's own may raise)
    if path.partition("/")[0] == "~" and (expanded == path or os.environ.get("HOME") == ""):
        raise ValueError("no home folder is known to expand ~ to (HOME is not set): write the whole path")
    return expanded


def _parse_key_file(value: Any) -> Any:
    if isinstance(value, str) and ("{" in value or "\n" in value or len(value) > _LONGEST_PATH):
        raise ValueError("key_file is the path of a key file, not its content")
    return value


def _check_readable(path: Path, info: ValidationInfo) -> Path:
    if info.context is not CHECKING_FILES:
        return path
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode):  # a pipe that is closed again is lost for its reader
            path.open("rb").close()
    except OSError as exc:
        why = f"{printable(str(path))}: cannot be read: {exc.strerror}"
        raise PydanticCustomError(UNREADABLE, "{why}", {"why": why}) from None
    return path


def _check_list_readable(path: Path, info: ValidationInfo) -> Path:
    return path if path == STDIO else _check_readable(path, info)


def _parse_target(value: Any) -> Any:
    if isinstance(value, Target):
        return value
    if not isinstance(value, str):  # a table would be taken for the fields of a Target, unchecked
        raise PydanticCustomError("target_type", "not a target")
    return Target.parse(value)


def _parse_kind(value: Any) -> Any:
    if isinstance(value, str) and value not in PROFILES_BY_KIND:
        raise ValueError(f"must be {one_of(PROFILES_BY_KIND, value)}")
    return value


def _parse_origin(value: Any) -> Any:
    """An API's address, to which access tokens go: https, or this machine itself."""
    if not isinstance(value, str):
        return value
    try:
        address = urlsplit(value)
        host = "" if "@" in address.netloc or address.port == 0 else address.hostname or ""
    except ValueError:
        raise ValueError("not an address") from None
    if not host or address.scheme not in {"https", "http" if is_loopback(host) else "https"}:
        raise ValueError("an API's address is https://HOST[:PORT] (http for this machine itself only)")
    return value.rstrip("/")


def _check_realms(realms: tuple[str, ...]) -> tuple[str, ...]:
    if not all(map(_REALM.fullmatch, realms)):
        raise ValueError("a realm is a host (auth.example.com, *.example.com, auth.example.com:8443) and nothing else")
    return realms


def _check_scope(scope: str) -> str:
    if re.search(r"[@\s]", scope):
        raise ValueError("an OAuth scope is a short name (cloud-platform.read-only) or an address without a user")
    return scope


def _check_username(username: str) -> str:
    if ":" in username:
        raise ValueError("a username holds no colon (RFC 7617): what stands behind it may be the password")
    return username


def _parse_password(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not (password := without_ends(value)):
        raise ValueError("is empty; a password is meant")
    return password


def _split_words(value: Any) -> Any:
    """A list, as one environment variable holds it: `a/*,b/*`."""
    return [word for word in re.split(r"[\s,]+", value) if word] if isinstance(value, str) else value


def _refuse_booleans(value: Any) -> Any:
    if isinstance(value, bool):  # which Python takes for 0 and 1
        raise PydanticCustomError("number_type", "not a number")
    return value


Words = Annotated[tuple[str, ...], Takes("a list of texts"), BeforeValidator(_split_words)]
Text = Annotated[str, Field(min_length=1), Takes("a text, and not an empty one")]
Scope = Annotated[Text, AfterValidator(_check_scope)]
Username = Annotated[Text, AfterValidator(_check_username)]
Password = Annotated[SecretStr, Takes("a text"), BeforeValidator(_parse_password)]
Realms = Annotated[Words, AfterValidator(_check_realms)]
Origin = Annotated[str, BeforeValidator(_parse_origin)]
Kind = Annotated[str, BeforeValidator(_parse_kind)]
Location = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$"), Takes("a location, such as us-central1")]
ApiPath = Annotated[
    str, Field(pattern=r"^/([A-Za-z0-9._~-]+/)*v2/$"), Takes("a path that begins with '/' and ends with '/v2/'")
]
Whole = Annotated[int, BeforeValidator(_refuse_booleans)]
Seconds = Annotated[
    float,
    Field(gt=0, le=1_000_000, allow_inf_nan=False),
    Takes("a number of seconds, more than 0 and at most 1000000"),
    BeforeValidator(_refuse_booleans),
]
TargetText = Annotated[
    Target,
    Takes("a text: HOST[:PORT][/PREFIX]"),
    BeforeValidator(_parse_target),
    PlainSerializer(str),
]
RateText = Annotated[Rate | Literal["auto"] | None, BeforeValidator(_parse_rate), PlainSerializer(_dump_rate)]
Share = Annotated[float | None, BeforeValidator(_parse_share), PlainSerializer(_dump_share)]
Duration = Annotated[timedelta, BeforeValidator(_parse_duration), PlainSerializer(_dump_duration)]
FilePath = Annotated[
    Path,
    Takes("a path"),
    BeforeValidator(_parse_path),
    PlainSerializer(lambda path: printable(str(path), _LONGEST_PATH), when_used="json"),
]
"""A path in which `~` is expanded; in JSON with escapes for what is not UTF-8."""
InputFile = Annotated[FilePath, AfterValidator(_check_readable)]
"""A file that a run reads: one that cannot be read is a mistake where a configuration is loaded (CHECKING_FILES)."""
KeyFile = Annotated[InputFile, BeforeValidator(_parse_key_file)]
ListFile = Annotated[FilePath, AfterValidator(_check_list_readable)]
