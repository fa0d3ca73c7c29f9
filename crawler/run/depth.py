"""Whether a run looks behind the tags. What it inspects images with is imported then."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from crawler.config import Config, ImagesConfig
from crawler.model.depth import ReferrersLevel

if TYPE_CHECKING:
    from crawler.run.inspection import Inspection


def reads_images(images: ImagesConfig) -> bool:
    """Whether a run looks behind the tags. Otherwise it records only what listings have."""
    return images.depth.reads_tags or images.referrers is not ReferrersLevel.NONE


@contextmanager
def open_inspection(config: Config) -> "Iterator[Inspection | None]":
    """What a run inspects images with; None where it records only what listings have."""
    if not reads_images(config.images):
        yield None
        return
    from crawler.digest_cache.cache import DigestCache
    from crawler.run.inspection import Inspection

    file, united = config.cache_file, config.united_cache_file
    if file != united and file is not None and united is not None and united.exists():
        from crawler.digest_cache.union import unite

        unite(file, [united])  # a repository may be another shard's than last night
    with DigestCache.open(file) as cache:
        yield Inspection(cache)
