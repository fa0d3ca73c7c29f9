"""Bytes that are drawn by a key, and tables to look a byte up in.

A key gives the same bytes in any order of requests, so that one image can be made again without the others. A hash
takes a microsecond; seeding `random.Random` takes ten.
"""

from collections.abc import Hashable, Mapping
from hashlib import blake2b
from itertools import accumulate
from math import exp
from statistics import NormalDist
from typing import TypeVar

_T = TypeVar("_T", bound=Hashable)


def draw_bytes(key: str) -> bytes:
    """64 bytes that depend on the key alone."""
    return blake2b(key.encode()).digest()


def spread(shares: Mapping[_T, int]) -> tuple[_T, ...]:
    """256 values, each as often as its share of the sum, for a byte to pick one."""
    bounds = list(accumulate(shares.values()))
    return tuple(
        next(value for value, bound in zip(shares, bounds, strict=True) if byte * bounds[-1] < bound * 256)
        for byte in range(256)
    )


def lognormal(mu: float, sigma: float) -> tuple[int, ...]:
    """256 quantiles of a log-normal distribution, for a byte to pick one."""
    normal = NormalDist(mu, sigma)
    return tuple(round(exp(normal.inv_cdf((byte + 0.5) / 256))) for byte in range(256))


def fraction(drawn: bytes, at: int) -> float:
    """A number from 0 up to 1, from two bytes."""
    return (drawn[at] << 8 | drawn[at + 1]) / 65_536
