"""An image's config (image-spec, config.md), without what may hold secrets."""

from crawler.model.image import ImageConfig


def parse_image_config(body: bytes) -> ImageConfig:
    """Parse a config. The base image is left out: it needs more than the config. Raises MalformedResponse."""
    raise NotImplementedError
