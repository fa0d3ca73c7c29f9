"""A registry's storage, changed behind its back: filled quickly, or damaged as no request can do.

The layout is that of distribution 2.8's filesystem driver (registry/storage/paths.go).
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from support.digests import digest_of

from .content import LAYER, Content, distinct
from .registry import Registry


def unlink_manifest(registry: Registry, repository: str, digest: str) -> None:
    """Remove a manifest from a repository. Tags and indexes that name it stay: a DELETE would remove the tags too."""
    _link(registry, repository, "_manifests/revisions", digest).unlink()


def unlink_blob(registry: Registry, repository: str, digest: str) -> None:
    """Remove a config or layer from a repository, whose manifests stay."""
    _link(registry, repository, "_layers", digest).unlink()


def unlink_tag(registry: Registry, repository: str, tag: str) -> None:
    """Remove a tag from a repository, whose manifests stay. It is listed no longer."""
    shutil.rmtree(_tag(registry, repository, tag))


def store_manifest(registry: Registry, repository: str, tag: str, body: bytes) -> str:
    """Put a manifest under a tag, which the registry may refuse from clients. Returns its digest."""
    digest = _store_revision(registry, repository, body)
    for link in (
        _tag(registry, repository, tag) / "current" / "link",
        _tag(registry, repository, tag) / "index" / digest.replace(":", "/") / "link",
    ):
        _write(link, digest.encode())
    return digest


def store_content(registry: Registry, repositories: Mapping[str, Mapping[str, Content]]) -> None:
    """Leave the files that `push_content` leaves, in a tenth of the time; a test compares them."""
    for repository, tagged in repositories.items():
        manifests = distinct(manifest for content in tagged.values() for manifest in content.manifests)
        for blob in {LAYER, *(blob for manifest in manifests.values() for blob in manifest.blobs)}:
            _write(_link(registry, repository, "_layers", _store_data(registry, blob)), digest_of(blob).encode())
        for manifest in manifests.values():
            _store_revision(registry, repository, manifest.body)
        for tag, content in tagged.items():
            store_manifest(registry, repository, tag, content.body)


def _store_revision(registry: Registry, repository: str, body: bytes) -> str:
    digest = _store_data(registry, body)
    _write(_link(registry, repository, "_manifests/revisions", digest), digest.encode())
    return digest


def _store_data(registry: Registry, content: bytes) -> str:
    digest = digest_of(content)
    hexadecimal = digest.removeprefix("sha256:")
    file = registry.storage / "blobs" / "sha256" / hexadecimal[:2] / hexadecimal / "data"
    if not file.exists():
        _write(file, content)
    return digest


def _tag(registry: Registry, repository: str, tag: str) -> Path:
    return registry.storage / "repositories" / repository / "_manifests" / "tags" / tag


def _link(registry: Registry, repository: str, folder: str, digest: str) -> Path:
    return registry.storage / "repositories" / repository / folder / digest.replace(":", "/") / "link"


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
