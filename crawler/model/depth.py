"""How deep a crawl looks behind a tag."""

from enum import StrEnum


class Depth(StrEnum):
    """What a snapshot has of each image. Every level has what the levels before it have."""

    TAGS = "tags"
    """What listings have."""
    DIGESTS = "digests"
    """Every tag has its digest."""
    MANIFESTS = "manifests"
    """Platforms, layers and annotations."""
    CONFIGS = "configs"
    """Creation time, user, entrypoint, labels and so on."""

    @property
    def reads_tags(self) -> bool:
        """Whether each tag is resolved to its digest."""
        return self is not Depth.TAGS

    @property
    def reads_manifests(self) -> bool:
        return self in {Depth.MANIFESTS, Depth.CONFIGS}

    @property
    def reads_configs(self) -> bool:
        return self is Depth.CONFIGS


class ReferrersLevel(StrEnum):
    """How signatures, SBOMs and other referrers of images are looked for."""

    NONE = "none"
    LISTED = "listed"
    """What is known without a further exchange."""
    API = "api"
    """Also the referrers API: one exchange for each tagged image."""
