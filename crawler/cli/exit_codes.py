"""The exit codes of the command."""

from collections.abc import Collection
from typing import Final

COMPLETE: Final = 0
COULD_NOT_RUN: Final = 1
BAD_USAGE: Final = 2
PARTIAL: Final = 3
FOUND: Final = 4
"""`--fail-on` of audit or diff found something."""
INTERRUPTED: Final = 130
"""Ctrl-C before a run has begun. A run that a signal stops ends with 128 and the number of the signal."""

ENDED: Final = (COULD_NOT_RUN, PARTIAL, COMPLETE)
"""The codes of a registry that came to its end, the worst first."""


def worst_code(codes: Collection[int]) -> int:
    """The exit code of a command for several registries, from the codes of each, which are of `ENDED`."""
    return next(code for code in ENDED if code in codes)
