"""Statements that are so, are not so, or are not known; and what follows from several of them."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unknown:
    """It is not known whether something is so. `why` is a phrase for the person who asked."""

    why: str


Certainty = bool | Unknown
"""Whether something is so. Compare with `is True` and `is False`."""


def all_of(parts: Iterable[Certainty]) -> Certainty:
    """Whether all parts are so: one that is not so is enough to know it."""
    unknown: Certainty = True
    for part in parts:
        if part is False:
            return False
        if isinstance(part, Unknown) and unknown is True:
            unknown = part
    return unknown


def any_of(parts: Iterable[Certainty]) -> Certainty:
    """Whether one part at least is so."""
    return negation(all_of(negation(part) for part in parts))


def negation(part: Certainty) -> Certainty:
    return part if isinstance(part, Unknown) else not part
