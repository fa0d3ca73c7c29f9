"""Which tags' images are read: `--include-tag` and `--exclude-tag`."""

from collections.abc import Iterable, Sequence

from crawler.model.globs import compile_globs


class TagFilter:
    """Matches tags that some `include` glob matches and no `exclude` glob matches; without `include`, every tag."""

    def __init__(self, *, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self._include = compile_globs(include) if include else None
        self._exclude = compile_globs(exclude) if exclude else None
        self.matches_all = not (include or exclude)

    def matches(self, tag: str) -> bool:
        if self._include is not None and self._include.fullmatch(tag) is None:
            return False
        return self._exclude is None or self._exclude.fullmatch(tag) is None

    def select(self, tags: Iterable[str]) -> list[str]:
        return [tag for tag in tags if self.matches_all or self.matches(tag)]
