"""Globs of names and tags."""

import re
from collections.abc import Sequence
from fnmatch import translate


def compile_globs(globs: Sequence[str]) -> re.Pattern[str]:
    """A pattern that matches (`fullmatch`) a text that any of the globs matches. Case counts.

    `*` also matches slashes.
    """
    return re.compile("|".join(translate(glob) for glob in globs))
