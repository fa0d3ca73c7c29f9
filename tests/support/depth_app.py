"""A plain registry of one repository, whose tags and content a test of depth chooses."""

from collections.abc import Mapping

from support.scripted import Entry, plain_registry, refusal
from support.scripted_images import Content, blobs, config, image, manifests

APP = "team/app"
CONFIG = config("base")
SINGLE = image(CONFIG, "base")
ARM_CONFIG = config("base", architecture="arm64")
ARM = image(ARM_CONFIG, "base")
UNKNOWN = refusal(404, "MANIFEST_UNKNOWN", "manifest unknown")


def registry(tags: Mapping[str, Content], *others: Content) -> list[Entry]:
    """The repository with these tags; both images and `others` are there by their digests, too."""
    return [
        *manifests(APP, tags, SINGLE, ARM, *others),
        *blobs(APP, CONFIG, ARM_CONFIG),
        *plain_registry({APP: tags}),
    ]


def tag_path(reference: str) -> str:
    """The path of a manifest, by tag or digest."""
    return f"/v2/{APP}/manifests/{reference}"
