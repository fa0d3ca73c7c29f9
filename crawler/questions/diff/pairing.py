"""Which repository of one snapshot is which of the other."""

from enum import StrEnum

from crawler.model.names import Target


class Pairing(StrEnum):
    """How the repositories of two snapshots are paired."""

    BY_NAME = "by-name"
    """Both snapshots are of one target: by the full name."""
    AS_MIRROR = "as-mirror"
    """The new snapshot is of a mirror: by the name below the target's prefix."""


PREFIX_ITSELF = "."
"""The name, below the prefix, of a repository whose name is the prefix. No repository is named so."""


def name_below(target: Target, name: str) -> str:
    """A repository's name below the target's prefix."""
    if not target.prefix:
        return name
    return name.removeprefix(target.prefix).lstrip("/") or PREFIX_ITSELF


def full_name(target: Target, below: str) -> str:
    """The full name of the repository that has this name below the target's prefix; "" where there can be none."""
    if below == PREFIX_ITSELF:
        return target.prefix
    return f"{target.prefix}/{below}" if target.prefix else below
