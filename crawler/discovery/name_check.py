"""What is wrong with a line that should be a repository's name."""

import re
from typing import Final

from crawler.model.name_mistakes import grammar_mistake, reference_mistake
from crawler.model.names import RepositoryName

_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


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
    return _encoding_mistake(text) or reference_mistake(text) or _layout_mistake(text) or grammar_mistake(text)


def _encoding_mistake(text: str) -> str:
    if "\0" in text:
        return "holds NUL characters: save the list as UTF-8, not as UTF-16"
    if any("\udc80" <= character <= "\udcff" for character in text):  # what Python makes of bytes that are not UTF-8
        return "is not UTF-8: save the list as UTF-8"
    if "<" in text or ">" in text:
        return "looks like HTML: the list may be an error page in place of the names"
    return ""


def _layout_mistake(text: str) -> str:
    if '"' in text or "'" in text:
        return "has quotes: write the name without them (jq does with --raw-output)"
    if "," in text or ";" in text or "\t" in text:
        return "looks like a line of a table (CSV): write one name a line and nothing else"
    if any(character.isspace() for character in text):
        return "has blanks: write one name a line and nothing else"
    return ""
