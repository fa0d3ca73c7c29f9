"""Push images over HTTP, and delete them."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from .content import DOCKER, LAYER, OCI, Content, distinct, image, image_config
from .registry import Registry
from .writer import Writer, open_session


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """The pushed content: repository → tag → digest of its manifest, repositories and tags sorted."""

    digests: Mapping[str, Mapping[str, str]]

    @property
    def tags(self) -> dict[str, tuple[str, ...]]:
        return {repository: tuple(tags) for repository, tags in self.digests.items()}


async def push(registry: Registry, repositories: Mapping[str, Collection[str]]) -> Pushed:
    """Gives every repository an image of its own, which its tags name as Docker's and as OCI's by turns.

    So the first tag and the third share a digest, as `latest` and a version do.
    A repository without tags receives a layer alone, by which the catalog knows it.
    Raises WriteError, in a group.
    """
    tagged = {name: _by_turns(name, repositories[name]) for name in sorted(repositories)}
    await push_content(registry, tagged)
    return Pushed(
        digests={name: {tag: content.digest for tag, content in tags.items()} for name, tags in tagged.items()}
    )


async def push_content(registry: Registry, repositories: Mapping[str, Mapping[str, Content]]) -> None:
    """Push what the tags of each repository name, with everything that belongs to it.

    Every repository has the common layer. Raises WriteError, in a group.
    """
    names = sorted(repositories)
    async with open_session(registry) as session:
        writers = [Writer.create(session, registry, name, layer_from=names[0]) for name in names]
        for first in writers[:1]:
            # Before all others, which mount the layer from there.
            await first.put_blob(LAYER)
        async with asyncio.TaskGroup() as group:
            for writer in writers:
                group.create_task(_push(writer, repositories[writer.repository]))


async def empty(registry: Registry, repository: str) -> None:
    """Deletes every manifest that a tag names, and the tags with it; the catalog keeps the repository.

    Raises WriteError.
    """
    async with open_session(registry) as session:
        writer = Writer.create(session, registry, repository)
        digests = {await writer.digest(tag) for tag in await writer.tags()}
        for digest in digests:
            await writer.delete_manifest(digest)


async def _push(writer: Writer, tagged: Mapping[str, Content]) -> None:
    if writer.repository != writer.layer_from:
        await writer.put_blob(LAYER, mount_from=writer.layer_from)
    async with asyncio.TaskGroup() as group:
        for blob in _blobs_of(tagged.values()):
            group.create_task(writer.put_blob(blob))
    async with asyncio.TaskGroup() as group:
        for child in distinct(child for content in tagged.values() for child in content.children).values():
            group.create_task(writer.put_manifest(child.digest, child.body, child.media_type))
    for tag, content in tagged.items():
        await writer.put_manifest(tag, content.body, content.media_type)


def _blobs_of(contents: Iterable[Content]) -> list[bytes]:
    """Every config and layer once, without the common layer."""
    blobs = (blob for content in contents for manifest in content.manifests for blob in manifest.blobs)
    return [blob for blob in dict.fromkeys(blobs) if blob != LAYER]


def _by_turns(repository: str, tags: Collection[str]) -> dict[str, Content]:
    config = image_config(Labels={"org.opencontainers.image.ref.name": repository}, history=["harness"])
    images = (image(config, DOCKER), image(config, OCI))
    return {tag: images[turn % 2] for turn, tag in enumerate(sorted(set(tags)))}
