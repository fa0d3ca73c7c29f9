"""Text from outside, made fit to show: escaped and capped."""


def printable(text: str, limit: int = 300) -> str:
    r"""Untrusted text, made fit for a terminal, a log or a record.

    Control, bidi, zero-width and lone surrogate characters become escapes (`\x1b`, `\u202e`), and what is beyond
    `limit` characters is cut.
    """
    shown = text[: limit + 1]
    if not shown.isprintable():
        shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in shown)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"
