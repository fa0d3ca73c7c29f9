"""One manifest of a repository."""

from typing import NamedTuple


class Image(NamedTuple):
    """One manifest of a repository, as a listing tells it. Times are RFC 3339 UTC with milliseconds, or None.

    A tuple, as there are many of them: a frozen dataclass takes four times as long to make.
    """

    digest: str
    tags: tuple[str, ...]
    media_type: str | None
    size_bytes: int | None
    created_at: str | None
    uploaded_at: str | None
