"""The types of the keys' values: how each is parsed and checked, and its error messages."""

import os
import re
import stat
from collections.abc import Iterable
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf, PlainSerializer, SecretStr, ValidationInfo
from pydantic_core import PydanticCustomError

from crawler.model.limits import Rate
from crawler.model.names import Target, is_loopback
from crawler.model.value import Value
from crawler.profiles import PROFILES_BY_KIND
from crawler.untrusted_text import printable

STDIO: Final = Path("-")
"""Standard output as `output.path`, standard input as `registry.repositories_from`."""

NO_CACHE: Final = Path("none")
"""No file, as `cache.path`."""

CHECK_FILES: Final = {"files": "checked"}
"""The context of a validation that also opens the files that a configuration names: see InputFile."""

UNREADABLE_FILE: Final = "unreadable_file"
"""The type of the pydantic error of a file that cannot be read; its message names the file and the reason."""

_UNIT_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_REALM = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s/@:\\#%]+)(:[0-9]{1,5})?")
_RATE = re.compile(r"([1-9]\d{0,8})/([1-9]\d{0,5})?([smhd])", re.ASCII)
_SHARE = re.compile(r"(\d{1,2}(?:\.\d{1,6})?|100)%", re.ASCII)
_DURATION = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_LAKE_SCHEMES: Final = ("s3", "gs", "az")
_MAX_PATH_LENGTH: Final = 4096
_MAX_BUDGET: Final = 1_000_000_000


class Expected(Value, frozen=True):
    """Metadata of an Annotated type: the description in `must be …`, where the type alone says too little."""

    description: str


def strip_bom_and_newline(text: str) -> str:
    """Remove a leading BOM and one trailing newline, which editors, pipes and Kubernetes secrets add to a value."""
    text = text.removeprefix("\ufeff")
    return text.removesuffix("\r\n") if text.endswith("\r\n") else text.removesuffix("\n")


def one_of(choices: Iterable[str], value: Any = None) -> str:
    """Return `one of A, B or C`, with a suggestion where `value` resembles one of them."""
    choices = list(choices)
    close = get_close_matches(value.lower(), choices, n=1) if isinstance(value, str) else []
    words = f"one of {', '.join(choices[:-1])} or {choices[-1]}" if len(choices) > 1 else choices[0]
    return words + (f"; did you mean {close[0]}?" if close else "")


def _parse_rate(value: Any) -> Any:
    if value is None or value == "none":
        return None
    if isinstance(value, Rate) or value == "auto":
        return value
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be a rate: 80/s, 50000/10m, auto or none")
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
    raise ValueError("must be a share: 20%, or none")


def _dump_share(share: float | None) -> str:
    return "none" if share is None else f"{share * 100:.6g}%"


def _parse_duration(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be a duration: 90m, 20h or 2d")
    return timedelta(seconds=int(match[1]) * _UNIT_SECONDS[match[2]])


def _dump_duration(duration: timedelta) -> str:
    seconds = round(duration.total_seconds())
    unit = next(unit for unit in ("d", "h", "m", "s") if seconds % _UNIT_SECONDS[unit] == 0)
    return f"{seconds // _UNIT_SECONDS[unit]}{unit}"


def _parse_path(value: Any) -> Any:
    # as a Path: pydantic rejects a str that is not UTF-8, and a path may be any bytes
    if not isinstance(value, str | Path):
        return value
    text = _expand_home(os.fspath(value))
    if not text:
        raise ValueError("must be a path, not empty")
    if "\0" in text:
        raise ValueError("must be a path, which holds no NUL")
    try:
        os.fsencode(text)
    except UnicodeEncodeError as exc:
        raise ValueError(
            f"holds characters that {exc.encoding}, the encoding of this locale, does not have: set LC_ALL=C.UTF-8"
        ) from None
    return Path(text)


def _expand_home(path: str) -> str:
    """Expand `~`. The user of a container may have no home folder, and no entry in /etc/passwd."""
    expanded = os.path.expanduser(path)  # noqa: PTH111  (Path.expanduser raises where no home folder is known)
    if path.partition("/")[0] == "~" and (expanded == path or os.environ.get("HOME") == ""):
        raise ValueError("cannot expand ~: no home folder is known (HOME is not set); write the whole path")
    return expanded


def _parse_budget(value: Any) -> Any:
    return None if value == "none" else value


def _parse_cache_path(value: Any) -> Any:
    """Parse the path of a file, or the URL of an object in a lake, which stays a string."""
    if isinstance(value, str) and _URL.match(value):
        url = _parse_lake_url(value)
        if urlsplit(url).path.count("/") < (2 if url.startswith("file:") else 1):
            raise ValueError("must name an object, not a whole lake: s3://BUCKET/cache.sqlite, file:///FOLDER/FILE")
        return url
    path = _parse_path(value)
    if path == STDIO:
        raise ValueError("must be a file, or none: standard input and output cannot hold the cache")
    return path


def _parse_key_file(value: Any) -> Any:
    if isinstance(value, str) and ("{" in value or "\n" in value or len(value) > _MAX_PATH_LENGTH):
        raise ValueError("key_file is the path of a key file, not its content")
    return value


def _check_readable(path: Path, info: ValidationInfo) -> Path:
    if info.context is not CHECK_FILES:
        return path
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode):  # opening a pipe and closing it again would lose what it holds
            path.open("rb").close()
    except OSError as exc:
        why = f"{printable(str(path))}: cannot be read: {exc.strerror}"
        raise PydanticCustomError(UNREADABLE_FILE, "{why}", {"why": why}) from None
    return path


def _check_list_readable(path: Path, info: ValidationInfo) -> Path:
    return path if path == STDIO else _check_readable(path, info)


def _parse_target(value: Any) -> Any:
    if isinstance(value, Target):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("target_type", "not a target")
    return Target.parse(value)


def _parse_kind(value: Any) -> Any:
    if isinstance(value, str) and value not in PROFILES_BY_KIND:
        raise ValueError(f"must be {one_of(PROFILES_BY_KIND, value)}")
    return value


def _parse_api_url(value: Any) -> Any:
    """Check the URL of an API. It receives access tokens, so it must be https, or this machine itself."""
    if not isinstance(value, str):
        return value
    try:
        url = urlsplit(value)
        host = "" if "@" in url.netloc or url.port == 0 else url.hostname or ""
    except ValueError:
        raise ValueError("must be a URL") from None
    if not host or url.scheme not in {"https", "http" if is_loopback(host) else "https"}:
        raise ValueError("an API's URL is https://HOST[:PORT] (http for this machine itself only)")
    return value.rstrip("/")


def _parse_service_url(value: Any) -> Any:
    """Check the URL of a service that is notified of runs. In a cluster such services speak plain http."""
    if not isinstance(value, str):
        return value
    try:
        url = urlsplit(value)
        host = "" if "@" in url.netloc or url.port == 0 else url.hostname
    except ValueError:
        raise ValueError("must be a URL") from None
    if not host or url.scheme not in {"https", "http"}:
        raise ValueError("must be a URL, https://HOST[:PORT][/PATH] or http://…, without a user")
    return value


def _parse_gateway_url(value: Any) -> Any:
    """Check the URL of a Pushgateway. It gets into every `_run.json`, and a path is added to it."""
    if isinstance(_parse_service_url(value), str) and ("?" in value or "#" in value):
        raise ValueError("must be a URL without a query or a fragment")
    return value


def _parse_lake_url(value: Any) -> Any:
    """Check the URL of a lake. It gets into every `_run.json`, so it must hold no credentials."""
    if not isinstance(value, str):
        return value
    try:
        url = urlsplit(value)
    except ValueError:
        raise ValueError("must be a URL") from None
    if "@" in url.netloc or url.query or url.fragment or "?" in value or "#" in value:
        raise ValueError(
            "must be a URL without a user, a query or a fragment: the credentials come from the provider's variables"
        )
    if " " in value or not value.isprintable():
        raise ValueError("must have no spaces and no control characters: a space in a folder's name is %20")
    if not _is_lake(url, value):
        raise ValueError("must be s3://BUCKET/PATH, gs://BUCKET/PATH, az://CONTAINER/PATH or file:///FOLDER")
    path = unquote(url.path).rstrip("/")
    if not {".", ".."}.isdisjoint(path.split("/")) or "//" in path or not path.isprintable():
        raise ValueError("must have a plain path: without `.`, `..`, empty parts and control characters")
    return f"{url.scheme}:{value.partition(':')[2].rstrip('/')}"


def _is_lake(url: SplitResult, value: str) -> bool:
    if url.scheme == "file":
        return value.lower().startswith("file:///") and bool(url.path.strip("/"))
    return url.scheme in _LAKE_SCHEMES and bool(url.netloc) and ":" not in url.netloc


def _check_realms(realms: tuple[str, ...]) -> tuple[str, ...]:
    if not all(map(_REALM.fullmatch, realms)):
        raise ValueError("a realm is a host alone: auth.example.com, *.example.com or auth.example.com:8443")
    return realms


def _check_scope(scope: str) -> str:
    if re.search(r"[@\s]", scope):
        raise ValueError("an OAuth scope is a short name (cloud-platform.read-only) or a URL without a user")
    return scope


def _check_username(username: str) -> str:
    if ":" in username:
        raise ValueError("a username holds no colon (RFC 7617): what follows the colon may be the password")
    return username


def _parse_password(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not (password := strip_bom_and_newline(value)):
        raise ValueError("must be a password, not empty")
    return password


def _split_list(value: Any) -> Any:
    """Split a list that one environment variable holds: `a/*,b/*`."""
    return [word for word in re.split(r"[\s,]+", value) if word] if isinstance(value, str) else value


def _refuse_booleans(value: Any) -> Any:
    if isinstance(value, bool):  # Python takes True and False for 1 and 0
        raise PydanticCustomError("number_type", "not a number")
    return value


StringList = Annotated[tuple[str, ...], Expected("a list of strings"), BeforeValidator(_split_list)]
NonEmptyString = Annotated[str, Field(min_length=1), Expected("a string, not empty")]
Scope = Annotated[NonEmptyString, AfterValidator(_check_scope)]
Username = Annotated[NonEmptyString, AfterValidator(_check_username)]
Password = Annotated[SecretStr, Expected("a string"), BeforeValidator(_parse_password)]
RealmHosts = Annotated[StringList, AfterValidator(_check_realms)]
LakeUrl = Annotated[str, Expected("a string: s3://BUCKET/PATH, …"), BeforeValidator(_parse_lake_url)]
ApiUrl = Annotated[str, BeforeValidator(_parse_api_url)]
ServiceUrl = Annotated[str, BeforeValidator(_parse_service_url)]
GatewayUrl = Annotated[str, BeforeValidator(_parse_gateway_url)]
Kind = Annotated[str, BeforeValidator(_parse_kind)]
Location = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$"), Expected("a location, such as us-central1")]
ApiPath = Annotated[
    str, Field(pattern=r"^/([A-Za-z0-9._~-]+/)*v2/$"), Expected("a path that begins with '/' and ends with '/v2/'")
]
Integer = Annotated[int, BeforeValidator(_refuse_booleans)]
Budget = Annotated[
    Integer | None,
    Field(ge=0, le=_MAX_BUDGET),
    Expected(f"a whole number from 0 to {_MAX_BUDGET}, or none"),
    BeforeValidator(_parse_budget),
]
Seconds = Annotated[
    float,
    Field(gt=0, le=1_000_000, allow_inf_nan=False),
    Expected("a number of seconds, more than 0 and at most 1000000"),
    BeforeValidator(_refuse_booleans),
]
TargetOption = Annotated[
    InstanceOf[Target],
    Expected("a string: HOST[:PORT][/PREFIX]"),
    BeforeValidator(_parse_target),
    PlainSerializer(str),
]
RateOption = Annotated[
    InstanceOf[Rate] | Literal["auto"] | None, BeforeValidator(_parse_rate), PlainSerializer(_dump_rate)
]
Share = Annotated[float | None, BeforeValidator(_parse_share), PlainSerializer(_dump_share)]
Duration = Annotated[timedelta, BeforeValidator(_parse_duration), PlainSerializer(_dump_duration)]
_AS_TEXT: Final = PlainSerializer(lambda path: printable(str(path), _MAX_PATH_LENGTH), when_used="json")
FilePath = Annotated[Path, Expected("a path"), BeforeValidator(_parse_path), _AS_TEXT]
"""A path in which `~` is expanded; in JSON, bytes that are not UTF-8 become escapes."""
CachePath = Annotated[Path | str, Expected("a path"), BeforeValidator(_parse_cache_path), _AS_TEXT]
"""The path of a file, or, as a string, the URL of an object in a lake."""
InputFile = Annotated[FilePath, AfterValidator(_check_readable)]
"""A file that a run reads. `Config.load` opens it to report one that cannot be read (CHECK_FILES)."""
KeyFile = Annotated[InputFile, BeforeValidator(_parse_key_file)]
NameListFile = Annotated[FilePath, AfterValidator(_check_list_readable)]
