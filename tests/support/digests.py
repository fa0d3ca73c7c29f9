"""Digests of bodies, computed without the crawler's own code."""

import hashlib


def digest_of(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"
