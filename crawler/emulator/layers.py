"""Layers. They have digests and sizes only, because a crawl downloads none."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from crawler.emulator.draws import draw_bytes, lognormal

_SIZES: Final = lognormal(16.5, 1.4)  # half of the layers have less than 15 MB


class Layer(NamedTuple):
    """A layer: the digest and the size of its compressed bytes, and the digest of its uncompressed ones."""

    digest: str
    size: int
    diff_id: str


def draw_layer(key: str) -> Layer:
    drawn = draw_bytes(key).hex()
    number = int(drawn[:6], 16)
    return Layer(f"sha256:{drawn[:64]}", _SIZES[number >> 16] + (number & 0xFFFF), f"sha256:{drawn[64:]}")


def descriptors(layers: Iterable[Layer], media_type: str) -> str:
    """The descriptors of layers as JSON text, joined by commas."""
    return ",".join(
        [f'{{"mediaType":"{media_type}","size":{layer.size},"digest":"{layer.digest}"}}' for layer in layers]
    )


def quoted_diff_ids(layers: Iterable[Layer]) -> str:
    """The digests of the uncompressed layers as JSON text, joined by commas."""
    return ",".join([f'"{layer.diff_id}"' for layer in layers])
