"""Which of the names that a source yields belong to the snapshot: the target's prefix, `--include` and `--exclude`."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from crawler.model.globs import compile_globs
from crawler.model.names import Target
from crawler.untrusted_text import printable

_MAX_PREFIXES: Final = 10_000
"""How many prefixes of names outside the target's prefix are kept for `suggestion`."""

_GLOBS_QUOTED: Final = 3


class NameFilter:
    """Matches names under the target's prefix that some `include` glob matches and no `exclude` glob matches.

    Without `include`, every name under the prefix is included. In a glob, `*` also matches slashes: `base/*` matches
    `base/tools/jq`. The filter counts which step rejected the names, so that `nothing_matched` can say why a snapshot
    is empty.
    """

    def __init__(self, target: Target, *, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self._target = target
        self._include = tuple(include)
        self._exclude = tuple(exclude)
        self._include_pattern = compile_globs(include) if include else None
        self._exclude_pattern = compile_globs(exclude) if exclude else None
        self._depth = target.prefix.count("/") + 1
        self._other_prefixes: set[str] = set()
        self._under_prefix = 0
        self._included = 0
        self._matched = 0
        self.matches_all = not (target.prefix or include or exclude)

    def matches(self, name: str) -> bool:
        if not self._target.covers(name):
            self._add_other_prefix(name)
            return False
        self._under_prefix += 1
        if self._include_pattern is not None and self._include_pattern.fullmatch(name) is None:
            return False
        self._included += 1
        if self._exclude_pattern is not None and self._exclude_pattern.fullmatch(name) is not None:
            return False
        self._matched += 1
        return True

    def _add_other_prefix(self, name: str) -> None:
        if len(self._other_prefixes) < _MAX_PREFIXES:
            self._other_prefixes.add("/".join(name.split("/", self._depth)[: self._depth]))

    @property
    def nothing_matched(self) -> str | None:
        """Why no name matched, as a message; None if a name matched, or if the filter was given no name."""
        if self._matched or not (self._under_prefix or self._other_prefixes):
            return None
        if not self._under_prefix:
            near = self.suggestion
            hint = f": did you mean {printable(near)}?" if near else ""
            return f"no repository is under the prefix {self._target.prefix}{hint}"
        if not self._included:
            return f"no repository matches {_quoted('--include', self._include)}"
        return f"{_quoted('--exclude', self._exclude)} excludes every repository"

    @property
    def suggestion(self) -> str | None:
        """The prefix that is nearest in spelling to the target's prefix; None if none is near.

        It is taken from the first ten thousand prefixes of other names, at the depth of the target's prefix.
        """
        near = get_close_matches(self._target.prefix, sorted(self._other_prefixes), n=1)
        return near[0] if near else None


def _quoted(flag: str, globs: Sequence[str]) -> str:
    more = f" or {len(globs) - _GLOBS_QUOTED:,} more" if len(globs) > _GLOBS_QUOTED else ""
    return f"{flag} " + " or ".join(f"'{printable(glob, 80)}'" for glob in globs[:_GLOBS_QUOTED]) + more
