"""A task group's failure as the one exception that a caller can act on."""

from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from crawler.errors import CrawlerError, OutputClosed


@contextmanager
def unwrap_group() -> Iterator[None]:
    """Open a task group's ExceptionGroup: of several failures the first of ours tells most, and a bug outranks it.

    That a stream's other end is gone is never the cause of a failure, but always one's consequence.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        leaves = list(_leaves(group))
        bugs = [leaf for leaf in leaves if not isinstance(leaf, CrawlerError | anyio.BrokenResourceError)]
        closed = [leaf for leaf in leaves if isinstance(leaf, OutputClosed)]
        ours = [leaf for leaf in leaves if isinstance(leaf, CrawlerError)]
        raise (bugs or closed or ours or leaves)[0] from None


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for failure in group.exceptions:
        if isinstance(failure, BaseExceptionGroup):
            yield from _leaves(failure)
        else:
            yield failure
