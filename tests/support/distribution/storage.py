"""What no request can do to a registry: damage that a cleanup leaves behind, and manifests of another time.

The layout is that of distribution 2.8's filesystem driver (registry/storage/paths.go).
"""

import shutil
from pathlib import Path

from .content import digest_of
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
    digest = digest_of(body)
    hexadecimal = digest.removeprefix("sha256:")
    _write(registry.storage / "blobs" / "sha256" / hexadecimal[:2] / hexadecimal / "data", body)
    links = [
        _link(registry, repository, "_manifests/revisions", digest),
        _tag(registry, repository, tag) / "current" / "link",
        _tag(registry, repository, tag) / "index" / "sha256" / hexadecimal / "link",
    ]
    for link in links:
        _write(link, digest.encode())
    return digest


def _tag(registry: Registry, repository: str, tag: str) -> Path:
    return registry.storage / "repositories" / repository / "_manifests" / "tags" / tag


def _link(registry: Registry, repository: str, folder: str, digest: str) -> Path:
    return registry.storage / "repositories" / repository / folder / digest.replace(":", "/") / "link"


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
