"""Which of the names that a source tells belong to the snapshot."""

import re
from collections.abc import Sequence
from fnmatch import translate

from crawler.model import Target


class Selection:
    """The target's prefix, then the globs: without `include` everything, and `exclude` wins.

    In a glob `*` reaches across slashes: `base/*` takes `base/tools/jq`.
    """

    def __init__(self, target: Target, *, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self._target = target
        self._included = _any_of(include) if include else None
        self._excluded = _any_of(exclude) if exclude else None
        self.takes_all = not (target.prefix or include or exclude)

    def wants(self, name: str) -> bool:
        return (
            self._target.covers(name)
            and (self._included is None or self._included.fullmatch(name) is not None)
            and (self._excluded is None or self._excluded.fullmatch(name) is None)
        )


def _any_of(globs: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(translate(glob) for glob in globs))
