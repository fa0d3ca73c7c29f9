"""Which tags' images are read: `--include-tag` and `--exclude-tag`."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase


class TagFilter:
    """Matches tags that some `include` glob matches and no `exclude` glob matches; without `include`, every tag."""

    def __init__(self, *, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self._include = tuple(include)
        self._exclude = tuple(exclude)
        self.matches_all = not (include or exclude)

    def matches(self, tag: str) -> bool:
        if self._include and not any(fnmatchcase(tag, glob) for glob in self._include):
            return False
        return not any(fnmatchcase(tag, glob) for glob in self._exclude)

    def select(self, tags: Iterable[str]) -> list[str]:
        return [tag for tag in tags if self.matches_all or self.matches(tag)]
