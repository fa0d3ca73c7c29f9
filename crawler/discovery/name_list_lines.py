"""Is this line of a name list the name of a repository of this registry, and if not, what did its writer do wrong?

`model/name_mistakes.py` says why a text is not a name of any repository. The mistakes that only a list has are here:
references that begin with the registry's own host, wrong encodings, tables, HTML.
"""

import re
from typing import Final

from crawler.model.name_mistakes import grammar_mistake, reference_mistake
from crawler.model.names import RepositoryName

_LINE_END: Final = re.compile(r"\r\n|\n|\r")
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_UTF_16_BOMS: Final = (b"\xff\xfe", b"\xfe\xff")


def parse_lines(data: bytes) -> dict[str, int]:
    """The entries of a list, each once, with the number of the first line that it is on.

    An entry is a line without its comment (`#` and what follows) and without spaces around it; empty lines are no
    entries. Bytes that are not UTF-8 become lone surrogates, which `line_problem` reports. UTF-16 has no entries.
    """
    entries: dict[str, int] = {}
    if _is_utf_16(data):
        return entries
    for number, line in enumerate(_LINE_END.split(_decode(data)), start=1):
        entry = line.partition("#")[0].strip()
        if entry:
            entries.setdefault(entry, number)
    return entries


def why_no_entries(data: bytes) -> str:
    """Why a list has no entries, as a message that follows the name of the list."""
    if _is_utf_16(data):
        return "is UTF-16, so no line was read: save the list as UTF-8"
    content = "has only comments" if _decode(data).strip() else "is empty"
    return f"{content}: check the command that writes it"


def _decode(data: bytes) -> str:
    return data.decode("utf-8-sig", "surrogateescape")


def _is_utf_16(data: bytes) -> bool:
    """Whether the list is UTF-16, as Windows PowerShell's `>` writes it: by the BOM, or by the first two bytes."""
    return data.startswith(_UTF_16_BOMS) or b"\0" in data[:2]


def line_problem(text: str, registry: str) -> str | None:
    """Why `text` is not the name of a repository of `registry` (HOST[:PORT]), as a message; None if it is a name.

    A reference that begins with the registry's own host is a mistake even if its grammar is that of a name:
    `gcr.io/my-project/app` would be a repository of the project `gcr.io`. A first component counts as a host by the
    rule of docker (distribution/reference normalize.go, splitDockerDomain): if it has a dot or a port, or is
    `localhost`. So `harbor/app` is a name on a registry with the host `harbor`.
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
    """The first mistake in a text that is not a name. The most specific mistakes are tried first."""
    return _encoding_mistake(text) or reference_mistake(text) or _layout_mistake(text) or grammar_mistake(text)


def _encoding_mistake(text: str) -> str:
    if "\0" in text:
        return "has NUL characters: save the list as UTF-8, not as UTF-16"
    if any("\udc80" <= character <= "\udcff" for character in text):  # from `surrogateescape`
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
        return "has spaces: write one name a line and nothing else"
    return ""
