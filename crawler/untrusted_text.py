"""Text from outside, made fit to show: escaped and capped."""

from pathlib import Path
from typing import Final

LONGEST_PATH: Final = 4096
"""Characters of a path that a message quotes; Linux accepts no longer path (PATH_MAX)."""


def printable(text: str, limit: int = 300) -> str:
    r"""Untrusted text, made fit for a terminal, a log or a record.

    Control, bidi, zero-width and lone surrogate characters become escapes (`\x1b`, `\u202e`), and what is beyond
    `limit` characters is cut.
    """
    if len(text) <= limit and text.isprintable():
        return text
    shown = text[: limit + 1]
    if not shown.isprintable():
        shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in shown)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def quoted_path(path: Path | str) -> str:
    """A path as printable text: one that is not UTF-8 holds surrogates, which neither JSON nor a terminal accepts."""
    return printable(str(path), LONGEST_PATH)
