"""One manifest of a repository."""

from typing import NamedTuple


class Image(NamedTuple):
    """One manifest of a repository, as far as a listing describes it.

    A tuple, because a registry has millions of images: a frozen dataclass takes four times as long to make.

    Attributes:
        digest: `sha256:…`.
        tags: the manifest's tags, empty for an untagged manifest.
        media_type: of the manifest.
        size_bytes: as the registry counts it.
        created_at: what the build wrote; RFC 3339 UTC with milliseconds. Reproducible builds write 1970 or 1980.
        uploaded_at: when the registry received the manifest, likewise.
    """

    digest: str
    tags: tuple[str, ...]
    media_type: str | None
    size_bytes: int | None
    created_at: str | None
    uploaded_at: str | None
