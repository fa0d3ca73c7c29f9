"""How a target (`HOST[:PORT][/PREFIX]`) is parsed, and what is wrong with a text that is not a target."""

import ipaddress
import re
from typing import Final, NoReturn

from crawler.model.grammar import MAX_NAME_LENGTH, TAG, is_name
from crawler.untrusted_text import printable

_FORM: Final = "a target is HOST[:PORT][/PREFIX]"
_MAX_HOST_LENGTH: Final = 253
_QUOTED_CHARACTERS: Final = 80
"""The maximum length of a part of a target that a message quotes, and of a target that a message suggests."""

_TAGGED: Final = re.compile(rf"(?P<name>[^:]+):(?P<tag>{TAG})")
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"  # RFC 1035, 2.3.4
_HOST: Final = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}")
_SCHEME: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>[^?#]*)")
_API_PATH: Final = re.compile(r"/v[12](?:/_catalog)?/*$")

# A domain-scoped project of Google, `example.com:project`. The registries write a slash for the colon. With the colon
# it looks like a tag. A project id has 6 to 30 characters
# (https://cloud.google.com/resource-manager/docs/creating-managing-projects), and most tags are shorter; `latest` is
# always taken for a tag.
_DOMAIN_SCOPED: Final = re.compile(
    rf"(?P<domain>(?:{_LABEL}\.)+{_LABEL}):(?P<project>(?!latest$)[a-z][a-z0-9-]{{4,28}}[a-z0-9])"
)


def split_port(registry: str) -> tuple[str, str]:
    """HOST[:PORT] as host and port. The port is ":" if it is empty, and "" if there is no colon."""
    host, colon, port = registry.rpartition(":")
    if not colon or registry.endswith("]"):
        return registry, ""
    return host, port or ":"


def parse_target(text: str) -> tuple[str, str]:
    """`HOST[:PORT][/PREFIX]` as HOST[:PORT], in lower case, and PREFIX, without a slash at its end.

    `HOST/example.com:project` is read as `HOST/example.com/project`, which is how Google's registries write it.
    Raises ValueError. Its message says what is wrong, and what to write instead if that is clear. It never quotes what
    may be a password.
    """
    _check_whole(text)
    registry, _, prefix = text.partition("/")
    registry, prefix = registry.lower(), _without_colon(prefix.rstrip("/"))
    _check_registry(registry, prefix)
    if prefix:
        _check_prefix(registry, prefix)
    return registry, prefix


def _without_colon(prefix: str) -> str:
    first, slash, rest = prefix.partition("/")
    scoped = _DOMAIN_SCOPED.fullmatch(first)
    return prefix if scoped is None else f"{scoped['domain']}/{scoped['project']}{slash}{rest}"


def _check_whole(text: str) -> None:
    if not text.strip():
        raise ValueError(f"is empty; {_FORM}")
    if (url := _SCHEME.match(text)) is not None and "://" not in url["rest"]:
        option = " with --plain-http" if url["scheme"].lower() == "http" else ""
        raise ValueError(f"has a scheme{_suggestion(_API_PATH.sub('', url['rest']), option)}")
    if "://" in text:
        raise ValueError(f"has a scheme; {_FORM}")
    if "@" in text:
        _refuse_at_sign(text)
    if any(character.isspace() for character in text):
        raise ValueError(f"has blanks{_suggestion(text.strip()) if text != text.strip() else f'; {_FORM}'}")


def _refuse_at_sign(text: str) -> NoReturn:
    before, _, after = text.partition("@")
    if "/" in before and re.match(r"[a-z0-9+._-]+:[0-9a-fA-F]", after):
        name = re.sub(r":[\w.-]+$", "", before)  # without the tag, if there is one
        raise ValueError(f"has a digest{_suggestion(name)}; a snapshot is of whole repositories")
    raise ValueError(f"has a user before '@'; {_FORM}, and the user is --username")


def _check_registry(registry: str, prefix: str) -> None:
    host, port = split_port(registry)
    if not host:
        raise ValueError(f"has no host; {_FORM}")
    if (scoped := _DOMAIN_SCOPED.fullmatch(registry)) is not None:
        project = f"{scoped['domain']}/{scoped['project']}{prefix and '/'}{prefix}"
        raise ValueError(
            f"has no host before the project{_suggestion(f'gcr.io/{project}', ' (or the registry it is in)')}"
        )
    if _is_ipv6(registry):
        raise ValueError(f"has an IPv6 address without brackets{_suggestion(f'[{registry}]/{prefix}'.rstrip('/'))}")
    if not _is_host(host):
        raise ValueError(f"{_quoted(host)} is not a host; {_FORM}")
    if port and not (port.isascii() and port.isdigit() and len(port) < 6 and 0 < int(port) < 2**16):
        tag = "" if prefix or not port[:1].isalnum() else ", and a target has no tag"
        raise ValueError(f"{_quoted(port.strip(':'))} is not a port, which is a number from 1 to 65535{tag}")
    if prefix and not port and "." not in host and "[" not in host and host != "localhost":
        # docker, too, takes such a first component for a part of the name, and not for a host
        # (distribution/reference normalize.go, splitDockerDomain)
        path = f"{host}/{prefix}"
        raise ValueError(
            f"looks like a path without its host: write HOST/{_cut(path)}, such as {_quoted(f'gcr.io/{path}')}; "
            f"if {_quoted(host)} is a host, write its port too"
        )


def _check_prefix(registry: str, prefix: str) -> None:
    """Raise ValueError for a prefix that is not the beginning of a repository name. Frequent mistakes come first."""
    if len(prefix) > MAX_NAME_LENGTH:
        raise ValueError(f"has a prefix of more than {MAX_NAME_LENGTH} characters, which no repository name has")
    if is_name(prefix):
        return
    if "//" in prefix or prefix.startswith("/"):
        parts = "/".join(part for part in prefix.split("/") if part)
        raise ValueError(f"has an empty part ('//'){_suggestion(f'{registry}/{parts}')}")
    if (tagged := _TAGGED.fullmatch(prefix)) is not None:
        name = tagged["name"]
        raise ValueError(f"has a tag{_suggestion(f'{registry}/{name}')}; a snapshot is of whole repositories")
    if is_name(prefix.lower()):
        raise ValueError(
            f"has upper case letters, which no repository name has{_suggestion(f'{registry}/{prefix.lower()}')}"
        )
    raise ValueError(
        f"{_quoted(prefix)} is not the beginning of a repository name: "
        "lower case letters and digits, separated by '.', '_', '__', '-' or '/'"
    )


def _is_host(text: str) -> bool:
    if not text.startswith("["):
        return len(text) <= _MAX_HOST_LENGTH and _HOST.fullmatch(text) is not None
    return text.endswith("]") and _is_ipv6(text[1:-1])


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.IPv6Address(text).scope_id is None
    except ValueError:
        return False


def _suggestion(target: str, more: str = "") -> str:
    """`: write 'TARGET'` if the suggested text is a target; otherwise the form of a target."""
    try:
        registry, prefix = parse_target(target)
    except ValueError:
        return f"; {_FORM}"
    return f": write {_quoted(f'{registry}/{prefix}' if prefix else registry)}{more}"


def _quoted(text: str) -> str:
    return f"'{_cut(text)}'"


def _cut(text: str) -> str:
    return printable(text, _QUOTED_CHARACTERS)
