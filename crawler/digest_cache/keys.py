"""The keys of the cache's rows: digests as bytes, and the chain IDs of layers."""

import hashlib
from collections.abc import Sequence


def digest_key(digest: str) -> bytes:
    """The 32 bytes of a sha256 digest, the text of any other."""
    if len(digest) == 71 and digest.startswith("sha256:"):
        try:
            key = bytes.fromhex(digest[7:])
        except ValueError:
            return as_bytes(digest)
        if len(key) == 32:  # spaces between the digits are accepted, so there may be fewer
            return key
    return as_bytes(digest)


def has_digest(body: bytes, key: bytes) -> bool:
    if len(key) == 32:
        return hashlib.sha256(body).digest() == key
    return key == b"sha512:" + hashlib.sha512(body).hexdigest().encode()


class ChainIds:
    """The chain ID of each prefix of an image's layers (image-spec, config.md, "Layer ChainID").

    An image is looked up and added, one after the other, so the last one is remembered.
    """

    def __init__(self) -> None:
        self._diff_ids: tuple[str, ...] = ()
        self._keys: list[bytes] = []

    def keys(self, diff_ids: Sequence[str]) -> list[bytes]:
        """The first 16 bytes of the hash of each prefix. The specification does not hash a single layer; this does.

        Half of a sha256 suffices: among a billion images, two have the same half with a probability of 1 in 10^20.
        """
        if (layers := tuple(diff_ids)) != self._diff_ids:
            self._diff_ids, self._keys = layers, _chain_keys(layers)
        return self._keys


def _chain_keys(diff_ids: tuple[str, ...]) -> list[bytes]:
    sha256, chain = hashlib.sha256, diff_ids[0]
    keys = [sha256(as_bytes(chain)).digest()[:16]]
    for diff_id in diff_ids[1:]:
        digest = sha256(f"{chain} {diff_id}".encode("utf-8", "surrogatepass"))  # as `as_bytes`, without its call
        chain = f"sha256:{digest.hexdigest()}"
        keys.append(digest.digest()[:16])
    return keys


def as_bytes(text: str) -> bytes:
    """Text as bytes. A header that is not UTF-8 arrives with surrogates, which are kept."""
    return text.encode("utf-8", "surrogatepass")
