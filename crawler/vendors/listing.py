"""Images from an API become a repository's listing."""

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

    An image that comes more than once, as from an API that lists tags, is one image with all of its tags: what the API
    told of it first counts. `without_digest` are tags for which the API names no digest. `lists_untagged`, `suspect`
    and `not_readable` are those of `Listing`.
    """
    by_digest: dict[str, Image] = {}
    tags: dict[str, None] = {}
    for image in images:
        known = by_digest.get(image.digest)
        fresh = [tag for tag in image.tags if tag not in tags]
        tags.update(dict.fromkeys(fresh))
        its_tags = (*fresh,) if known is None else (*known.tags, *fresh)
        by_digest[image.digest] = (known or image)._replace(tags=its_tags)
    tags.update(dict.fromkeys(without_digest))
    return Listing(
        tags=tuple(tags),
        images=tuple(by_digest[digest] for digest in sorted(by_digest)),
        suspect=suspect,
        lists_untagged=lists_untagged,
        not_readable=frozenset(not_readable),
    )
