"""The exit codes of the command."""

from typing import Final

COMPLETE: Final = 0
COULD_NOT_RUN: Final = 1
BAD_USAGE: Final = 2
PARTIAL: Final = 3
FOUND: Final = 4
"""`--fail-on` of audit or diff found something."""
INTERRUPTED: Final = 130
"""Ctrl-C before a run has begun. A run that a signal stops ends with 128 and the number of the signal."""
