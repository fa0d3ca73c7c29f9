"""Manifests and configs for scripted registries: true bytes with true digests, and the entries that serve them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from support.digests import digest_of
from support.oci_documents import GZIP_LAYER, IMAGE_CONFIG, IN_TOTO, OCI_INDEX, OCI_MANIFEST
from support.scripted import Entry, Reply, on


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes under a digest."""

    body: bytes
    media_type: str

    @property
    def digest(self) -> str:
        return digest_of(self.body)

    @property
    def descriptor(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.body)}

    @property
    def reply(self) -> Reply:
        headers = (("Content-Type", self.media_type), ("Docker-Content-Digest", self.digest))
        return Reply(headers=headers, body=self.body)


def digest_named(name: str) -> str:
    """A digest of nothing that is served."""
    return digest_of(name.encode())


def config(*layers: str, **fields: Any) -> Content:
    """An image's config. `layers` name its layers; `fields` override."""
    document = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2026-01-02T03:04:05.678901234Z",
        "config": {"User": "app", "Env": ["PATH=/bin", "TOKEN=hunter2"], "Labels": {"team": "core"}},
        "rootfs": {"type": "layers", "diff_ids": [digest_named(f"plain {layer}") for layer in layers]},
        "history": [{"created_by": "ENV TOKEN=hunter2"}],
    }
    return Content(json.dumps(document | fields).encode(), IMAGE_CONFIG)


def image(of: Content, *layers: str, **fields: Any) -> Content:
    """An image with a config and layers of 100 bytes."""
    return manifest(of, [(layer, GZIP_LAYER, {}) for layer in layers], **fields)


def manifest(of: Content, layers: Iterable[tuple[str, str, dict[str, str]]], **fields: Any) -> Content:
    """A manifest whose layers have names, media types and annotations."""
    listed = [
        {"mediaType": media_type, "digest": digest_named(layer), "size": 100, "annotations": annotations}
        for layer, media_type, annotations in layers
    ]
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": of.descriptor, "layers": listed}
    return Content(json.dumps(document | fields).encode(), OCI_MANIFEST)


def attestation(*predicates: str) -> Content:
    """BuildKit's attestation manifest with one statement for each predicate."""
    layers = [(predicate, IN_TOTO, {"in-toto.io/predicate-type": predicate}) for predicate in predicates]
    return manifest(config(), layers)


def index(*children: dict[str, Any], **fields: Any) -> Content:
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(children)}
    return Content(json.dumps(document | fields).encode(), OCI_INDEX)


def child(of: Content, architecture: str = "amd64") -> dict[str, Any]:
    return {**of.descriptor, "platform": {"os": "linux", "architecture": architecture}}


def attesting(of: Content, subject: Content) -> dict[str, Any]:
    """BuildKit's entry of an attestation in an index (moby/buildkit, docs/attestations/attestation-storage.md)."""
    annotations = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": subject.digest}
    platform = {"os": "unknown", "architecture": "unknown"}
    return {**of.descriptor, "platform": platform, "annotations": annotations}


def manifests(name: str, tags: Mapping[str, Content], *others: Content) -> list[Entry]:
    """Entries that serve the manifests of tags, and these and others by digest."""
    by_digest = {content.digest: content for content in (*tags.values(), *others)}
    served = {**tags, **by_digest}
    return [on(f"/v2/{name}/manifests/{reference}", content.reply) for reference, content in served.items()]


def blobs(name: str, *contents: Content) -> list[Entry]:
    return [
        on(f"/v2/{name}/blobs/{content.digest}", Reply(body=content.body, headers=(("Content-Type", "text/plain"),)))
        for content in contents
    ]


def unchanged(name: str, tag: str, of: Content) -> Entry:
    """304 to a request that names the tag's digest (RFC 9110 §13.1.2)."""
    return on(f"/v2/{name}/manifests/{tag}", Reply(status=304), headers={"If-None-Match": f'"{of.digest}"'})
