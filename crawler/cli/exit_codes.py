"""What the command's end says to a script."""

from typing import Final

COMPLETE: Final = 0
COULD_NOT_RUN: Final = 1
BAD_USAGE: Final = 2
PARTIAL: Final = 3
INTERRUPTED: Final = 130
"""Interrupted from the keyboard before anything ran; a run that a signal stopped ends with 128 and its number."""
