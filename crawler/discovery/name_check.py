"""What is wrong with a line that should be a repository's name."""

import re
from typing import Final

from crawler.grammar import MAX_NAME_LENGTH
from crawler.model import RepositoryName

_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_TAGGED: Final = re.compile(r"[^:\s]+:(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127})")
_HOST_WITH_PORT: Final = re.compile(r"[A-Za-z0-9.-]+:[0-9]+/")


def name_problem(text: str, registry: str) -> str | None:
    """Why `text` is not the name of a repository of `registry` (HOST[:PORT]), in words; None where nothing is wrong.

    A reference that begins with the registry's own host is a mistake even where its grammar is a name's:
    `gcr.io/my-project/app` asks gcr.io for a repository of the project `gcr.io`. What is a host in a reference is as
    docker has it (distribution/reference normalize.go, splitDockerDomain): `harbor/app` of a host `harbor` is a name.
    """
    scheme = _SCHEME.match(text)
    rest = text[scheme.end() :] if scheme else text
    if (scheme or _is_domain(registry)) and rest.lower().startswith(f"{registry.lower()}/"):
        return f"is a full reference: write the name without {text[: len(text) - len(rest) + len(registry) + 1]!r}"
    if scheme:
        return "is a URL: write the name of the repository alone"
    return None if _is_name(text) else _mistake(text)


def _is_domain(registry: str) -> bool:
    return "." in registry or ":" in registry or registry == "localhost"


def _is_name(text: str) -> bool:
    try:
        RepositoryName(text)
    except ValueError:
        return False
    return True


def _mistake(text: str) -> str:
    """The first of the usual mistakes that a text shows, which is not a name."""
    if "\0" in text:
        return "holds NUL characters: save the list as UTF-8, not as UTF-16"
    if any("\udc80" <= character <= "\udcff" for character in text):  # what Python makes of bytes that are not UTF-8
        return "is not UTF-8: save the list as UTF-8"
    if "<" in text or ">" in text:
        return "looks like HTML: the list may be an error page in place of the names"
    if "@" in text:
        return "has a digest or a user: write the name without '@' and what follows"
    if (tagged := _TAGGED.fullmatch(text)) is not None:
        return f"has a tag: write the name without ':{tagged['tag']}'"
    if _HOST_WITH_PORT.match(text):
        return "is a full reference to another registry: write the name of the repository alone"
    if '"' in text or "'" in text:
        return "has quotes: write the name without them (jq does with --raw-output)"
    if "," in text or ";" in text or "\t" in text:
        return "looks like a line of a table (CSV): write one name a line and nothing else"
    if any(character.isspace() for character in text):
        return "has blanks: write one name a line and nothing else"
    return _grammar_mistake(text)


def _grammar_mistake(text: str) -> str:
    if _is_name(text.lower()):
        return "has upper case letters, which no repository name may have"
    if len(text) > MAX_NAME_LENGTH:
        return f"is longer than {MAX_NAME_LENGTH} characters, which no repository name may be"
    if text.startswith("/") or text.endswith("/") or "//" in text:
        return "has an empty part: '/' separates the parts of a name and never stands first, last or twice"
    return "is no repository name (lower case letters and digits, separated by '.', '_', '__', '-' or '/')"
