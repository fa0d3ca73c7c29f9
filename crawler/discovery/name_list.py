"""Names from a list that a person or a program wrote: the source. `name_list_lines` judges the lines of the list."""

import errno
from collections.abc import AsyncIterator, Callable
from typing import Final

import anyio.to_thread

from crawler.discovery.name_list_lines import line_problem, parse_lines, why_no_entries
from crawler.discovery.pending import ListResult, PendingName, ReportedName
from crawler.errors import ConfigError, Missing
from crawler.model.record import NamePage
from crawler.model.run_manifest import Evidence
from crawler.untrusted_text import printable

PAGE_SIZE: Final = 1000

_PROBLEMS_QUOTED: Final = 3
_ENTRY_QUOTED: Final = 80


class ListDiscovery:
    """The names of a list. The list is complete by definition, as long as every entry of it is a name.

    An entry that is not a name is yielded like the others, and gets its record with the outcome `invalid`. It makes the
    evidence incomplete: the repository that its writer meant is not in the snapshot. So does a list of which the
    registry has no repository: it was probably written for another registry.
    """

    method = "list"
    requires_all_listings = False

    def __init__(self, source: str, read: Callable[[], bytes], registry: str) -> None:
        """`source` names the list in messages. `read` returns its bytes; it may block, and runs in a worker thread.

        `registry` is the target's HOST[:PORT].
        """
        self._source = source
        self._read = read
        self._registry = registry
        self._evidence = Evidence(complete=False, text=f"{source} was not read")
        self._listed = 0
        self._missing = 0
        self.pages_read = 0

    async def pages(self) -> AsyncIterator[NamePage]:
        try:
            # The thread is abandoned if the run is stopped: standard input may never end.
            data = await anyio.to_thread.run_sync(self._read, abandon_on_cancel=True)
        except OSError as exc:
            reason = "it is closed" if exc.errno == errno.EBADF else exc.strerror
            raise ConfigError([f"{self._source}: cannot be read: {reason}"]) from None
        entries = parse_lines(data)
        if not entries:
            self._evidence = Evidence(complete=False, text=f"{self._source} {why_no_entries(data)}")
            return
        self._evidence = self._check(entries)
        names = list(entries)
        for start in range(0, len(names), PAGE_SIZE):
            self.pages_read += 1
            yield dict.fromkeys(names[start : start + PAGE_SIZE])

    def pending(self, name: str) -> PendingName:
        return ReportedName(name, self._on_listed)

    def _on_listed(self, name: str, result: ListResult) -> bool:  # noqa: ARG002  (every name of a list gets a record)
        self._listed += 1
        self._missing += isinstance(result, Missing)
        return True

    @property
    def evidence(self) -> Evidence:
        if self._listed == self._missing > 0:
            text = f"{self._evidence.text}, and {self._registry} has none of them: check the registry and the list"
            return Evidence(complete=False, text=text)
        return self._evidence

    def _check(self, entries: dict[str, int]) -> Evidence:
        """The evidence for the entries, which are given with the numbers of their lines."""
        listed = f"{len(entries):,} {'name' if len(entries) == 1 else 'names'} listed in {self._source}"
        problems = [
            f"line {number:,}: '{printable(entry, _ENTRY_QUOTED)}' {problem}"
            for entry, number in entries.items()
            if (problem := line_problem(entry, self._registry)) is not None
        ]
        if not problems:
            return Evidence(complete=True, text=listed)
        more = f"; and {len(problems) - _PROBLEMS_QUOTED:,} more" if len(problems) > _PROBLEMS_QUOTED else ""
        quoted = "; ".join(problems[:_PROBLEMS_QUOTED])
        wrong = "1 is wrong" if len(problems) == 1 else f"{len(problems):,} are wrong"
        return Evidence(complete=False, text=f"{listed}, of which {wrong}: {quoted}{more}")
