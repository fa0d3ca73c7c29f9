"""Untrusted text in Markdown, which shows it as it is."""

import re
from typing import Final

_MARKUP: Final = (
    (re.compile("&"), "&amp;"),
    (re.compile("<"), "&lt;"),
    (re.compile(">"), "&gt;"),
    (re.compile(r"[\\`*_\[\]|~$]"), r"\\\g<0>"),
    (re.compile(r"^[-+#=]"), r"\\\g<0>"),  # a heading or a list
    (re.compile(r"^(\d+)([.)])(?!\S)"), r"\1\\\2"),
    (re.compile("://"), r"\\://"),  # GitHub makes links of bare URLs
    (re.compile(r"\b(www)\."), r"\1\\."),
    (re.compile(r"(?<!\w)@"), "@\u200b"),  # and notifies who is mentioned, which no backslash prevents
)
"""What is markup in Markdown, and what is written for it. In this order."""


def escape_markdown(text: str) -> str:
    """Text of one line that Markdown, GitHub's too, shows as it is: as no markup, no link and no mention."""
    for syntax, written in _MARKUP:
        text = syntax.sub(written, text)
    return text
