"""A name that a source yielded, until the source has the result of listing it."""

from collections.abc import Callable
from types import TracebackType
from typing import Final, Protocol, Self

from crawler.errors import CrawlerError
from crawler.model.record import Listing

ListResult = Listing | CrawlerError
"""The result of listing a repository: its listing, or why there is no listing."""

_NOT_LISTED: Final = CrawlerError("the name was not listed")


class PendingName(Protocol):
    """A context for listing one name. When it ends, the source has a result, unless the name was postponed.

    A source whose names depend on the listings of other names (`Discovery.requires_all_listings`) waits for the result
    of every name that it yielded. A caller that forgets one result would make the walk wait forever. With a context,
    the caller cannot forget: leaving it by `continue`, `return`, an exception or a cancellation reports a result too.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...

    def resolve(self, result: ListResult, /) -> bool:
        """Report the result of listing the name. Returns whether the name is a repository, and so gets a record."""

    def postpone(self) -> None:
        """Keep the name pending. The caller has to open another context for the same name later."""


class ReportedName:
    """A pending name of a source that needs the result.

    `on_listed` takes the name and its result, and returns whether the name is a repository. It is called once: with the
    result given to `resolve`, or, if the context ends without `resolve` or `postpone`, with the error "the name was not
    listed".
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


class _UnreportedName:
    """A pending name of a source that yields only repositories, and does not need the results."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def resolve(self, result: ListResult, /) -> bool:  # noqa: ARG002
        return True

    def postpone(self) -> None:
        pass


UNREPORTED: Final = _UnreportedName()
"""The pending name for every name of such a source. It has no state, so one object serves all names."""
