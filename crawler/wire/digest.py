"""Digests: `ALGORITHM:HEX` (image-spec, descriptor.md, "Digests")."""

import hashlib
import re
from typing import Final

from crawler.errors import DigestMismatch
from crawler.untrusted_text import printable

_ALGORITHMS: Final = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


def digest_of(body: bytes, like: str = "sha256:") -> str:
    """The digest of a body, by the algorithm of the digest `like`. Raises DigestMismatch for an unknown algorithm."""
    name = like.partition(":")[0]
    algorithm = _ALGORITHMS.get(name)
    if algorithm is None:
        raise DigestMismatch(f"a digest of an unknown algorithm: {printable(like, 200)}")
    return f"{name}:{algorithm(body).hexdigest()}"


def check_digest(body: bytes, digest: str) -> None:
    """Raises DigestMismatch where a body does not have a digest, or the digest's algorithm is not known."""
    computed = digest_of(body, like=digest)
    if computed != digest:
        raise DigestMismatch(f"the body has the digest {computed}, not {printable(digest, 200)}")


def is_digest(text: object) -> bool:
    """Whether a value is a digest of a known algorithm (sha256, sha512), in lower case."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None
