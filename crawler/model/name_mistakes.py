"""Why a text is not a name of any repository, as a message that follows the text ("has a tag: …").

`model/target_parser.py` answers the question for a target, `discovery/name_list_lines.py` for a line of a name list.
"""

import re
from typing import Final

from crawler.model.grammar import COMPONENT, MAX_NAME_LENGTH, TAG
from crawler.untrusted_text import printable

_TAGGED: Final = re.compile(rf"[^:\s]+:(?P<tag>{TAG})")
_DIGEST: Final = re.compile(rf"(?P<tag>:{TAG})?@[a-z0-9+._-]+:[0-9a-fA-F]{{6,}}")
_HOST_WITH_PORT: Final = re.compile(r"[A-Za-z0-9.-]+:[0-9]+/")
_COMPONENT: Final = re.compile(COMPONENT)
_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9._/-]")

_MAX_CHARACTERS: Final = 1000
"""How much of a text is searched. No reference is longer, and a hostile text may have millions of characters."""

_QUOTED_CHARACTERS: Final = 25
"""The maximum length of a part that a message quotes."""


def name_mistake(text: str) -> str:
    """The first mistake in a text that is not a name."""
    if "://" in text[:_MAX_CHARACTERS]:
        return "is a URL: write the name of the repository alone"
    return reference_mistake(text) or grammar_mistake(text)


def reference_mistake(text: str) -> str:
    """Which part of an image reference a text has beside the name (a tag, a digest, a host); "" if it has none."""
    text = text[:_MAX_CHARACTERS]
    if (digest := _DIGEST.search(text)) is not None:
        parts = "a tag and a digest" if digest["tag"] else "a digest"
        return f"has {parts}: write the name without '{printable(digest[0], _QUOTED_CHARACTERS)}'"
    if "@" in text:
        return "has '@': write the name without a user before it or a digest behind it"
    if (tagged := _TAGGED.fullmatch(text)) is not None:
        return f"has a tag: write the name without ':{tagged['tag']}'"
    if _HOST_WITH_PORT.match(text):
        return "is a full reference to another registry: write the name of the repository alone"
    return ""


def grammar_mistake(text: str) -> str:
    """Where a text that is not a name breaks the grammar of names."""
    if len(text) > MAX_NAME_LENGTH:
        return f"is longer than {MAX_NAME_LENGTH} characters, the maximum for a repository name"
    if not text:
        return "is empty"
    if text.startswith("/") or text.endswith("/") or "//" in text:
        where = "begins with '/'" if text.startswith("/") else "ends with '/'" if text.endswith("/") else "has '//'"
        return f"has an empty part: it {where}, and '/' only separates the parts of a name"
    if text != text.lower():
        return "has upper case letters, which no repository name may have"
    if (invalid := _NOT_IN_NAMES.search(text)) is not None:
        return f"has '{printable(invalid[0])}', which no repository name may have: only a-z, 0-9, '.', '_', '-' and '/'"
    part = next((part for part in text.split("/") if _COMPONENT.fullmatch(part) is None), text)
    return (
        f"has the part '{printable(part, _QUOTED_CHARACTERS)}': a part begins and ends with a letter or digit, "
        "with '.', '_', '__' or dashes between them"
    )
