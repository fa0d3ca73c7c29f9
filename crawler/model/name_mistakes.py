"""What is wrong with a text that should be a repository's name, in words that follow the text."""

import re
from typing import Final

from crawler.model.grammar import COMPONENT, MAX_NAME_LENGTH
from crawler.untrusted_text import printable

_TAGGED: Final = re.compile(r"[^:\s]+:(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127})")
_DIGEST: Final = re.compile(r"(?P<tag>:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?@[a-z0-9+._-]+:[0-9a-fA-F]{6,}")
_HOST_WITH_PORT: Final = re.compile(r"[A-Za-z0-9.-]+:[0-9]+/")
_PART: Final = re.compile(COMPONENT)
_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9._/-]")

_MAX_CHARACTERS: Final = 1000
"""Characters that are looked at: no reference is longer, whatever it holds."""

_QUOTED_CHARACTERS: Final = 25
"""Characters of a part that are quoted."""


def name_mistake(text: str) -> str:
    """The first mistake of a text that is no name."""
    if "://" in text[:_MAX_CHARACTERS]:
        return "is a URL: write the name of the repository alone"
    return reference_mistake(text) or grammar_mistake(text)


def reference_mistake(text: str) -> str:
    """What a text has of an image's reference beside a name; "" for nothing."""
    text = text[:_MAX_CHARACTERS]
    if (digest := _DIGEST.search(text)) is not None:
        what = "a tag and a digest" if digest["tag"] else "a digest"
        return f"has {what}: write the name without '{printable(digest[0], _QUOTED_CHARACTERS)}'"
    if "@" in text:
        return "holds '@': write the name without a user before it or a digest behind it"
    if (tagged := _TAGGED.fullmatch(text)) is not None:
        return f"has a tag: write the name without ':{tagged['tag']}'"
    if _HOST_WITH_PORT.match(text):
        return "is a full reference to another registry: write the name of the repository alone"
    return ""


def grammar_mistake(text: str) -> str:
    """Where a text leaves the grammar of names."""
    if len(text) > MAX_NAME_LENGTH:
        return f"is longer than {MAX_NAME_LENGTH} characters, which no repository name may be"
    if not text:
        return "is empty"
    if text.startswith("/") or text.endswith("/") or "//" in text:
        where = "begins with '/'" if text.startswith("/") else "ends with '/'" if text.endswith("/") else "holds '//'"
        return f"has an empty part: it {where}, and '/' only separates the parts of a name"
    if text != text.lower():
        return "has upper case letters, which no repository name may have"
    if (odd := _NOT_IN_NAMES.search(text)) is not None:
        return f"holds '{printable(odd[0])}', which no repository name may hold: only a-z, 0-9, '.', '_', '-' and '/'"
    part = next((part for part in text.split("/") if _PART.fullmatch(part) is None), text)
    return (
        f"has the part '{printable(part, _QUOTED_CHARACTERS)}': a part begins and ends with a letter or digit, "
        "with '.', '_', '__' or dashes between them"
    )
