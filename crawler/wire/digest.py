"""Digests: `ALGORITHM:HEX` (image-spec, descriptor.md, "Digests")."""


def digest_of(body: bytes, like: str = "sha256:") -> str:
    """The digest of a body, by the algorithm of the digest `like`. Raises DigestMismatch for an unknown algorithm."""
    raise NotImplementedError


def check_digest(body: bytes, digest: str) -> None:
    """Raises DigestMismatch where a body does not have a digest, or the digest's algorithm is not known."""
    raise NotImplementedError


def is_digest(text: object) -> bool:
    """Whether a value is a digest of a known algorithm (sha256, sha512), in lower case."""
    raise NotImplementedError
