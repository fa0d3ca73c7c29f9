"""Which repository of one snapshot is which of the other."""

from enum import StrEnum
from typing import Final

from crawler.model.names import Target


class Pairing(StrEnum):
    """How the repositories of two snapshots are paired."""

    BY_NAME = "by-name"
    """Both snapshots are of one target: by the full name."""
    AS_MIRROR = "as-mirror"
    """The new snapshot is of a mirror: by the name below the target's prefix."""


PREFIX_ITSELF: Final = "."
"""The name, below the prefix, of a repository whose name is the prefix; see `sql/contents.sql`."""


def full_name(target: Target, below: str) -> str:
    """The full name of the repository that has this name below the target's prefix."""
    if below == PREFIX_ITSELF:
        return target.prefix
    return f"{target.prefix}/{below}" if target.prefix else below
