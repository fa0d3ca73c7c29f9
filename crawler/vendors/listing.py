"""Images from an API become a repository's listing."""

from collections import defaultdict
from collections.abc import Iterable

from crawler.model.image import Image
from crawler.model.record import Listing


def make_listing(
    images: Iterable[Image],
    *,
    lists_untagged: bool,
    without_digest: Iterable[str] = (),
    suspect: str | None = None,
    not_readable: Iterable[str] = (),
) -> Listing:
    """The listing of a repository.

    An image that comes more than once, as from an API that lists tags, is one image with all of its tags: it has the
    earliest upload, the latest update and the latest pull, and in every other field what the API told first. A tag that
    comes with several digests, as where it moved from one page to the next, is a tag for which the API names no digest.
    `without_digest` are more tags of that kind, wherever else they come. `lists_untagged`, `suspect` and
    `not_readable` are those of `Listing`.
    """
    by_digest: dict[str, Image] = {}
    tags: dict[str, str] = {}
    without_digest = tuple(without_digest)
    unclear = set(without_digest)
    for image in images:
        known = by_digest.get(image.digest)
        by_digest[image.digest] = image if known is None else _with_times(known, image)
        unclear.update(tag for tag in image.tags if tags.setdefault(tag, image.digest) != image.digest)
    tags_of = defaultdict[str, list[str]](list)
    for tag, digest in tags.items():
        if tag not in unclear:
            tags_of[digest].append(tag)
    return Listing(
        tags=tuple(dict.fromkeys((*tags, *without_digest))),
        images=tuple(by_digest[digest].replace(tags=tuple(tags_of[digest])) for digest in sorted(by_digest)),
        suspect=suspect,
        lists_untagged=lists_untagged,
        not_readable=frozenset(not_readable),
    )


def _with_times(image: Image, again: Image) -> Image:
    """The image, with the times that it also came with. Times are text of one form, which sorts by time."""
    return image.replace(
        uploaded_at=min(filter(None, (image.uploaded_at, again.uploaded_at)), default=None),
        updated_at=max(filter(None, (image.updated_at, again.updated_at)), default=None),
        pulled_at=max(filter(None, (image.pulled_at, again.pulled_at)), default=None),
    )
