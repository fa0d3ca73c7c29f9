"""Attestations beside an image in the index that holds both, as BuildKit writes them.

Format: moby/buildkit docs/attestations/attestation-storage.md.
"""

from typing import Final

import orjson

from crawler.emulator.draws import draw_bytes
from crawler.emulator.manifests import OCI_CONFIG, Json, Manifest, artifact_manifest, blob

_PREDICATES: Final = ("https://spdx.dev/Document", "https://slsa.dev/provenance/v0.2")
_UNKNOWN: Final[Json] = {"architecture": "unknown", "os": "unknown"}


def attestation(image: Manifest) -> Manifest:
    """An SBOM and a provenance of `image`, in one manifest."""
    layers: list[Json] = []
    for predicate in _PREDICATES:
        drawn = draw_bytes(f"{image.digest}/{predicate}")
        layers.append(
            {
                "mediaType": "application/vnd.in-toto+json",
                "size": 2_000 + drawn[0] * 97,
                "digest": f"sha256:{drawn[:32].hex()}",
                "annotations": {"in-toto.io/predicate-type": predicate},
            }
        )
    config = {**_UNKNOWN, "config": {}, "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]}}
    return artifact_manifest(
        kind="attestation",
        config=blob(orjson.dumps(config)),
        config_type=OCI_CONFIG,
        layers=layers,
        platform=_UNKNOWN,
    )


def attestation_entry(manifest: Manifest, *, subject: str) -> Json:
    """The descriptor of an attestation in an index."""
    annotations = {"vnd.docker.reference.digest": subject, "vnd.docker.reference.type": "attestation-manifest"}
    return {**manifest.descriptor, "annotations": annotations, "platform": _UNKNOWN}
