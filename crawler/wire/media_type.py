"""The media type in a `Content-Type` header (RFC 9110 §8.3)."""

import re
from typing import Final

_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
_MEDIA_TYPE: Final = re.compile(rf"({_NAME}/{_NAME})\s*(?:;.*)?", re.DOTALL)
"""The names of RFC 6838 §4.2. A header may have any bytes, which arrive as lone surrogates, and no JSON can have."""


def parse_media_type(content_type: str | None) -> str | None:
    """The media type without its parameters; None where the header is missing, or has no media type."""
    match = _MEDIA_TYPE.fullmatch((content_type or "").strip())
    return None if match is None else match[1]
