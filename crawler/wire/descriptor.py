"""Descriptors: how indexes, manifests and pages of referrers list contents (image-spec, descriptor.md)."""

import re
from typing import Any, Final

from crawler.errors import MalformedResponse
from crawler.wire.digest import is_digest

# image-spec, descriptor.md, "Digests": the grammar of a digest of any algorithm
_ANY_DIGEST: Final = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+")

_PREDICATE_ANNOTATIONS: Final = (
    "in-toto.io/predicate-type",  # moby/buildkit, docs/attestations/attestation-storage.md
    "dev.sigstore.bundle.predicateType",  # sigstore/cosign, pkg/oci/remote/write.go
    "predicateType",  # a layer under a tag .att: sigstore/cosign, cmd/cosign/cli/attest/attest.go
)


def parse_descriptors(value: Any, field: str) -> list[dict[str, Any]]:
    """A list of descriptors; null is an empty list. Raises MalformedResponse for any other value."""
    if value is None:
        return []
    if type(value) is not list or not {*map(type, value)} <= {dict}:
        raise MalformedResponse(f"{field!r} is not a list of objects")
    return value


def parse_digest(descriptor: dict[str, Any], field: str) -> str:
    """The digest of a content that may be requested. Raises MalformedResponse where its algorithm is not known."""
    digest = descriptor.get("digest")
    if not is_digest(digest):
        raise MalformedResponse(f"an entry of {field!r} without a digest of sha256 or sha512")
    return str(digest)


def parse_any_digest(descriptor: dict[str, Any], field: str) -> str:
    """The digest of a content that is never requested, of any algorithm. Raises MalformedResponse without one."""
    digest = descriptor.get("digest")
    if type(digest) is not str or _ANY_DIGEST.fullmatch(digest) is None:
        raise MalformedResponse(f"an entry of {field!r} without a digest")
    return digest


def parse_size(value: Any) -> int | None:
    """A number of bytes of 63 bits, which may be 0. None for any other value."""
    return value if type(value) is int and 0 <= value < 2**63 else None


def parse_string_map(value: Any) -> dict[str, str]:
    """Annotations or labels: the values that are strings. Empty for a value that is not an object."""
    if type(value) is not dict:
        return {}
    return {key: text for key, text in value.items() if type(text) is str}


def predicate_type(annotations: dict[str, str]) -> str | None:
    """The type of the in-toto predicate that annotations name, or None."""
    return next((annotations[key] for key in _PREDICATE_ANNOTATIONS if annotations.get(key)), None)
