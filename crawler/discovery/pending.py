"""A name that a source yielded, until the source knows the result of listing it."""

from collections.abc import Callable
from types import TracebackType
from typing import Final, Protocol, Self

from crawler.errors import CrawlerError
from crawler.model.record import Listing

ListResult = Listing | CrawlerError
"""The result of listing a repository: its listing, or why there is none."""

_NOT_LISTED: Final = CrawlerError("the name was not listed")


class PendingName(Protocol):
    """A context that ends with a result for the source, whatever happens inside.

    A source whose names depend on the listings of other names (`Discovery.requires_all_listings`) waits for every name
    that it yielded. A caller that forgot one would hang the walk; a context cannot forget.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...

    def resolve(self, result: ListResult, /) -> bool:
        """Report the result of listing the name. Returns whether the name is a repository, and gets a record."""

    def postpone(self) -> None:
        """Leave the name pending: a later context for the same name resolves it."""


class ReportedName:
    """A pending name of a source that wants to know the result.

    `on_listed` takes the name and the result, and returns whether the name is a repository. A context that ends with
    neither `resolve` nor `postpone` reports that the name was not listed.
    """

    __slots__ = ("_is_settled", "_name", "_on_listed")

    def __init__(self, name: str, on_listed: Callable[[str, ListResult], bool]) -> None:
        self._name = name
        self._on_listed = on_listed
        self._is_settled = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        if not self._is_settled:
            self._on_listed(self._name, _NOT_LISTED)

    def resolve(self, result: ListResult, /) -> bool:
        self._is_settled = True
        return self._on_listed(self._name, result)

    def postpone(self) -> None:
        self._is_settled = True


class _Repository:
    """A pending name of a source that yields repositories alone, and does not need their results."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def resolve(self, result: ListResult, /) -> bool:  # noqa: ARG002
        return True

    def postpone(self) -> None:
        pass


REPOSITORY: Final = _Repository()
"""The pending name of every name of such a source: one object for all of them, since it keeps nothing."""
