"""A platform as an API describes it."""

from typing import Any

from crawler.model.image import Platform, PlatformRole
from crawler.wire.digest import is_digest
from crawler.wire.json_fields import parse_text


def parse_platform(
    digest: str | None,
    os: Any,
    architecture: Any,
    *,
    variant: Any = None,
    os_version: Any = None,
    media_type: Any = None,
) -> Platform:
    """A child of an index, or the platform of a single image. Of an attestation APIs have `unknown/unknown`.

    They have the size of the image, and not that of its manifest. A value that is not a text is None, and so is a
    digest that is none.
    """
    system, processor = parse_text(os), parse_text(architecture)
    is_attestation = system == processor == "unknown"
    return Platform(
        digest=digest if is_digest(digest) else None,
        os=None if is_attestation else system,
        architecture=None if is_attestation else processor,
        variant=parse_text(variant),
        os_version=parse_text(os_version),
        size_bytes=None,
        media_type=parse_text(media_type),
        role=PlatformRole.ATTESTATION if is_attestation else PlatformRole.IMAGE,
        attests_digest=None,
    )
