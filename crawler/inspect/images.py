"""What was read of a repository becomes its images."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from crawler.inspect.bases import Base
from crawler.inspect.reading import Facts
from crawler.inspect.referrers import SubjectTag, merged
from crawler.model.depth import Depth
from crawler.model.image import Image, ImageKind, ImageManifest, Platform, PlatformRole, Referrer
from crawler.model.record import Listing
from crawler.wire.manifest import INDEX_TYPES, Manifest, is_schema1_type

_ROLE_KINDS: Final = {
    PlatformRole.IMAGE: ImageKind.IMAGE,
    PlatformRole.ATTESTATION: ImageKind.ATTESTATION,
    PlatformRole.ARTIFACT: ImageKind.ARTIFACT,
}


class ImageBuilder:
    """Makes the images of one repository from its listing and from what was read."""

    def __init__(self, listing: Listing, facts: Facts, depth: Depth, subject_tags: Sequence[SubjectTag]) -> None:
        self._facts = facts
        self._depth = depth
        self._listed = {image.digest: image for image in listing.images or () if image.digest not in facts.gone}
        self._tags = _tags_by_digest(listing, facts)
        names = {tag.tag for tag in subject_tags}
        self._referrer_tag_digests = {
            tag.digest for tag in subject_tags if names.issuperset(self._tags.get(tag.digest or "", ()))
        }
        self._cosign_kinds = {
            tag.digest: tag.parsed.image_kind for tag in subject_tags if tag.parsed.image_kind is not None
        }

    def build(
        self, bases: Mapping[str, Base], referrers: Mapping[str, tuple[Referrer, ...]] | None
    ) -> tuple[Image, ...]:
        """The images, ordered by digest.

        `bases` are those of the images that have one, and `referrers` those of the images that have any; None where
        none were asked for.
        """
        return tuple(
            self._image(digest, bases.get(digest), None if referrers is None else referrers.get(digest, ()))
            for digest in sorted(self.digests)
        )

    @property
    def digests(self) -> set[str]:
        """Every digest that the listing, the tags and the indexes name, without those that are not there."""
        facts = self._facts
        return {*self._listed, *self._tags, *facts.manifests, *facts.index_entries} - facts.gone

    @property
    def subjects(self) -> list[str]:
        """The tagged images and indexes, which other manifests may refer to."""
        return [
            digest
            for digest in sorted(self._tags)
            if digest not in self._facts.gone
            and digest not in self._referrer_tag_digests
            and self._kind(digest) in {ImageKind.IMAGE, ImageKind.INDEX, None}
        ]

    def reference(self, digest: str) -> str:
        """How people name an image within its repository: `:TAG`, its index's if it has none, else `@DIGEST`."""
        tags = self._tags.get(digest) or self._tags.get(self._facts.parents.get(digest, ""))
        return f":{tags[0]}" if tags else f"@{digest}"

    def _image(self, digest: str, base: Base | None, referrers: tuple[Referrer, ...] | None) -> Image:
        facts, listed = self._facts, self._listed.get(digest) or Image(digest)
        manifest, config = facts.manifests.get(digest), facts.configs.get(digest)
        known = listed.replace(
            tags=self._tags.get(digest, ()),
            kind=self._kind(digest) or listed.kind,
            media_type=self._media_type(digest),
            platforms=self._platforms(digest) or listed.platforms,
            referrers=_referrers(listed) if referrers is None else referrers,
        )
        if manifest is None:
            return known
        if config is not None and base is not None:
            config = replace(config, base_name=base.name, base_digest=base.digest, base_from=base.source)
        return known.replace(
            artifact_type=manifest.artifact_type,
            subject_digest=manifest.subject_digest
            or listed.subject_digest,  # of a signature by cosign, which names none
            size_bytes=manifest.size_bytes if listed.size_bytes is None else listed.size_bytes,
            created_at=listed.created_at or (config and config.created_at) or manifest.created_at,
            manifest=self._manifest(manifest) or listed.manifest,
            config=config or listed.config,
        )

    def _kind(self, digest: str) -> ImageKind | None:
        """What a manifest is: by its content, by the index that lists it, by cosign's tag, or by its media type."""
        manifest, entry = self._facts.manifests.get(digest), self._facts.index_entries.get(digest)
        if manifest is not None and manifest.kind not in {ImageKind.IMAGE, ImageKind.ARTIFACT}:
            return manifest.kind
        if digest in self._cosign_kinds:
            return self._cosign_kinds[digest]
        if entry is not None and entry.role is PlatformRole.ATTESTATION:
            return ImageKind.ATTESTATION
        if manifest is not None:
            return manifest.kind
        media_type = self._media_type(digest)
        if media_type in INDEX_TYPES:
            return ImageKind.INDEX
        if is_schema1_type(media_type):
            return ImageKind.IMAGE
        return None if entry is None or entry.role is None else _ROLE_KINDS[entry.role]

    def _media_type(self, digest: str) -> str | None:
        facts = self._facts
        manifest, listed, entry = facts.manifests.get(digest), self._listed.get(digest), facts.index_entries.get(digest)
        return (
            (manifest and manifest.media_type)
            or (listed and listed.media_type)
            or facts.media_types.get(digest)
            or (entry and entry.media_type)
            or None
        )

    def _platforms(self, digest: str) -> tuple[Platform, ...] | None:
        """The children of an index; the platform of a single image by its config, else by its index."""
        if not self._depth.reads_manifests:
            return None
        manifest, config = self._facts.manifests.get(digest), self._facts.configs.get(digest)
        entry = self._facts.index_entries.get(digest)
        if manifest is not None and manifest.kind is ImageKind.INDEX:
            return manifest.children
        if config is not None:
            return (
                Platform(
                    digest=digest,
                    os=config.os,
                    architecture=config.architecture,
                    variant=config.variant,
                    os_version=entry.os_version if entry is not None else None,
                    size_bytes=self._facts.body_sizes.get(digest),
                    media_type=self._media_type(digest),
                    role=PlatformRole.IMAGE,
                    attests_digest=None,
                ),
            )
        return None if entry is None else (entry,)

    def _manifest(self, manifest: Manifest) -> ImageManifest | None:
        if manifest.is_schema1 or not self._depth.reads_manifests:
            return None
        layers = None if manifest.kind is ImageKind.INDEX else manifest.layers
        return ImageManifest(manifest.config_digest, layers, manifest.annotations)


def _referrers(listed: Image) -> tuple[Referrer, ...] | None:
    """The referrers that the listing has of an image; None where it does not tell."""
    return None if listed.referrers is None else merged([listed.referrers])


def _tags_by_digest(listing: Listing, facts: Facts) -> dict[str, tuple[str, ...]]:
    """The tags of each digest, as the listing names them and as they were resolved."""
    tags: defaultdict[str, list[str]] = defaultdict(list)
    for image in listing.images or ():
        tags[image.digest] += [tag for tag in image.tags if tag not in facts.digests]  # else it has moved
    for tag in listing.tags:
        if tag in facts.digests:
            tags[facts.digests[tag]].append(tag)
    return {digest: tuple(its_tags) for digest, its_tags in tags.items() if its_tags}
