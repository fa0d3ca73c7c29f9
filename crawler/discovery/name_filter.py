"""Which of the names that a source lists belong to the snapshot."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import translate
from typing import Final

from crawler.model.names import Target
from crawler.untrusted_text import printable

_SAMPLE: Final = 10_000
"""Prefixes that are remembered of the names outside the target's prefix."""

_GLOBS_QUOTED: Final = 3


class NameFilter:
    """The target's prefix, then the globs: without `include` everything, and `exclude` wins.

    In a glob `*` reaches across slashes: `base/*` takes `base/tools/jq`. How far names came is remembered, so that
    `nothing_matched` can say why a snapshot is empty.
    """

    def __init__(self, target: Target, *, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self._target = target
        self._include = tuple(include)
        self._exclude = tuple(exclude)
        self._included = _any_of(include) if include else None
        self._excluded = _any_of(exclude) if exclude else None
        self._depth = target.prefix.count("/") + 1
        self._prefixes: set[str] = set()
        self._under_prefix = 0
        self._under_include = 0
        self._matched = 0
        self.matches_all = not (target.prefix or include or exclude)

    def matches(self, name: str) -> bool:
        if not self._target.covers(name):
            self._remember(name)
            return False
        self._under_prefix += 1
        if self._included is not None and self._included.fullmatch(name) is None:
            return False
        self._under_include += 1
        if self._excluded is not None and self._excluded.fullmatch(name) is not None:
            return False
        self._matched += 1
        return True

    def _remember(self, name: str) -> None:
        if len(self._prefixes) < _SAMPLE:
            self._prefixes.add("/".join(name.split("/", self._depth)[: self._depth]))

    @property
    def nothing_matched(self) -> str | None:
        """Why none of the names that were judged is wanted, in words; None where one is, or where none was judged."""
        if self._matched or not (self._under_prefix or self._prefixes):
            return None
        if not self._under_prefix:
            near = self.suggestion
            hint = f": did you mean {printable(near)}?" if near else ""
            return f"no repository lies under the prefix {self._target.prefix}{hint}"
        if not self._under_include:
            return f"no repository matches {_quoted('--include', self._include)}"
        return f"{_quoted('--exclude', self._exclude)} leaves out every repository"

    @property
    def suggestion(self) -> str | None:
        """The prefix of a name outside the target's prefix that is nearest to it in spelling; None where none is near.

        It comes from a sample of the first ten thousand prefixes, at the depth of the target's.
        """
        near = get_close_matches(self._target.prefix, sorted(self._prefixes), n=1)
        return near[0] if near else None


def _any_of(globs: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(translate(glob) for glob in globs))


def _quoted(flag: str, globs: Sequence[str]) -> str:
    more = f" or {len(globs) - _GLOBS_QUOTED:,} more" if len(globs) > _GLOBS_QUOTED else ""
    return f"{flag} " + " or ".join(f"'{printable(glob, 80)}'" for glob in globs[:_GLOBS_QUOTED]) + more
