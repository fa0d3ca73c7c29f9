"""The failures of a task group become the one exception that a caller can act on."""

from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from crawler.errors import CrawlerError, OutputClosed


@contextmanager
def unwrap_group() -> Iterator[None]:
    """Raise one exception of the ExceptionGroup that the block raises.

    A bug comes first; then OutputClosed; then the first CrawlerError. A broken stream is never the cause of a failure:
    the task at its other end has failed.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        leaves = list(_leaves(group))
        bugs = [leaf for leaf in leaves if not isinstance(leaf, CrawlerError | anyio.BrokenResourceError)]
        closed = [leaf for leaf in leaves if isinstance(leaf, OutputClosed)]
        errors = [leaf for leaf in leaves if isinstance(leaf, CrawlerError)]
        raise (bugs or closed or errors or leaves)[0] from None


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for failure in group.exceptions:
        if isinstance(failure, BaseExceptionGroup):
            yield from _leaves(failure)
        else:
            yield failure
