"""An artifact of Harbor's API becomes an image, with its accessories: signatures, SBOMs and other referrers.

(goharbor/harbor api/v2.0/swagger.yaml, Artifact, Accessory)
"""

from dataclasses import replace
from typing import Any, Final, NamedTuple

from crawler.errors import MalformedResponse
from crawler.model.image import (
    Image,
    ImageConfig,
    ImageKind,
    Platform,
    PlatformRole,
    Referrer,
    ReferrerKind,
    ReferrerSource,
)
from crawler.wire.descriptor import parse_string_map
from crawler.wire.digest import is_digest
from crawler.wire.image_config import parse_config_document
from crawler.wire.json_fields import parse_count, parse_text
from crawler.wire.manifest import INDEX_TYPES, artifact_kind, find_artifact_type, is_schema1_type, parse_child
from crawler.wire.times import CREATED, parse_time

_ACCESSORY_KINDS: Final = {
    "signature": (ReferrerKind.SIGNATURE, ImageKind.SIGNATURE),
    "sbom": (ReferrerKind.SBOM, ImageKind.SBOM),
}
"""By the first part of an accessory's type (goharbor/harbor src/pkg/accessory/model/accessory.go)."""


class HarborArtifact(NamedTuple):
    """An artifact of a repository; `image` is None where the API names no digest."""

    image: Image | None
    tags: tuple[str, ...]
    accessories: tuple["Accessory", ...] = ()


class Accessory(NamedTuple):
    """An artifact that belongs to another one. The API does not list its tags."""

    type: str
    image: Image


def parse_artifact(entry: dict[str, Any]) -> HarborArtifact:
    """An artifact with its tags and accessories. Raises MalformedResponse."""
    digest, tags = entry.get("digest"), _parse_tags(entry.get("tags"))
    if not isinstance(digest, str) or not is_digest(digest):
        return HarborArtifact(None, tags)
    media_type, annotations = parse_text(entry.get("manifest_media_type")), parse_string_map(entry.get("annotations"))
    kind, artifact_type = _parse_kind(entry, media_type, annotations)
    config = _parse_config(entry.get("extra_attrs")) if kind is ImageKind.IMAGE else None
    accessories = _parse_accessories(entry.get("accessories"), digest)
    image = Image(
        digest=digest,
        tags=tags,
        kind=kind,
        media_type=media_type,
        artifact_type=artifact_type,
        size_bytes=parse_count(entry.get("size")),
        created_at=(config and config.created_at) or parse_time(annotations.get(CREATED)),
        uploaded_at=parse_time(entry.get("push_time")),
        pulled_at=parse_time(entry.get("pull_time")),  # 0001-01-01 where it was never pulled
        platforms=_parse_children(entry.get("references"))
        if kind is ImageKind.INDEX
        else _own_platform(digest, media_type, config),
        config=config,
        referrers=tuple(map(_referrer, accessories)) if "accessories" in entry else None,  # null: it has none
    )
    return HarborArtifact(image, tags, accessories)


def _parse_tags(tags: Any) -> tuple[str, ...]:
    if tags is None:
        return ()
    names = [parse_text(tag.get("name")) if isinstance(tag, dict) else None for tag in _parse_list(tags, "tags")]
    if None in names:
        raise MalformedResponse("a tag without a name")
    return tuple(name for name in names if name is not None)


def _parse_list(value: Any, field: str) -> list[Any]:
    """A list; null is an empty one. Raises MalformedResponse."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise MalformedResponse(f"{field!r} is not a list")
    return value


def _parse_kind(
    entry: dict[str, Any], media_type: str | None, annotations: dict[str, str]
) -> tuple[ImageKind | None, str | None]:
    """What an artifact is, and its artifact type.

    `artifact_type` (since 2.11) is the manifest's, or else its config's type. `media_type` is the config's
    (src/controller/artifact/manifest).
    """
    declared = parse_text(entry.get("artifact_type"))
    if media_type in INDEX_TYPES:
        return ImageKind.INDEX, declared
    if is_schema1_type(media_type):
        return ImageKind.IMAGE, None
    config_type = declared or parse_text(entry.get("media_type"))
    if config_type is None:
        return None, None
    artifact_type = find_artifact_type(None, config_type, media_type)
    if artifact_type is None:
        return ImageKind.IMAGE, None
    return artifact_kind(artifact_type, annotations) or ImageKind.ARTIFACT, artifact_type


def _parse_config(attributes: Any) -> ImageConfig | None:
    """The part of an image's config that Harbor keeps (src/controller/artifact/processor/image/manifest_v2.go).

    Values of the environment are among it, and are left out. The health check is not.
    """
    if not isinstance(attributes, dict) or not attributes:
        return None
    return replace(parse_config_document(attributes), healthcheck=None)


def _own_platform(digest: str, media_type: str | None, config: ImageConfig | None) -> tuple[Platform, ...] | None:
    if config is None or (config.os is None and config.architecture is None):
        return None
    return (
        Platform(
            digest=digest,
            os=config.os,
            architecture=config.architecture,
            variant=config.variant,
            os_version=None,
            size_bytes=None,
            media_type=media_type,
            role=PlatformRole.IMAGE,
            attests_digest=None,
        ),
    )


def _parse_children(references: Any) -> tuple[Platform, ...] | None:
    """The children of an index, without those that have no digest."""
    if not isinstance(references, list):
        return None
    children = [each for each in references if isinstance(each, dict) and is_digest(each.get("child_digest"))]
    return tuple(map(_parse_reference, children))


def _parse_reference(reference: dict[str, Any]) -> Platform:
    listed = reference.get("platform")
    platform = dict(listed) if isinstance(listed, dict) else {}
    platform.setdefault("os.version", platform.get("'os.version'"))  # swagger.yaml, Platform: with its quotes
    has_platform = any(platform.values())
    child = {"digest": reference["child_digest"], "annotations": reference.get("annotations")}
    return parse_child({**child, "platform": platform if has_platform else None})


def _parse_accessories(accessories: Any, subject_digest: str) -> tuple[Accessory, ...]:
    """The accessories of an artifact, without those that have no digest."""
    parsed = (_parse_accessory(each, subject_digest) for each in _parse_list(accessories, "accessories"))
    return tuple(accessory for accessory in parsed if accessory is not None)


def _parse_accessory(accessory: Any, subject_digest: str) -> Accessory | None:
    digest = accessory.get("digest") if isinstance(accessory, dict) else None
    if not isinstance(digest, str) or not is_digest(digest):
        return None
    type_ = parse_text(accessory.get("type")) or ""
    image = Image(
        digest=digest,
        kind=_accessory_kinds(type_)[1],
        subject_digest=subject_digest,
        size_bytes=parse_count(accessory.get("size")),
        uploaded_at=parse_time(accessory.get("creation_time")),
    )
    return Accessory(type_, image)


def _accessory_kinds(type_: str) -> tuple[ReferrerKind, ImageKind | None]:
    return _ACCESSORY_KINDS.get(type_.partition(".")[0], (ReferrerKind.OTHER, None))


def _referrer(accessory: Accessory) -> Referrer:
    """Its size is not that of its manifest alone, and so no size of a referrer."""
    return Referrer(accessory.image.digest, ReferrerSource.BULK, _accessory_kinds(accessory.type)[0])
