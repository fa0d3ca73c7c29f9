"""Names from a list that a person or a program wrote: one a line, where `#` begins a comment."""

import errno
import re
from collections.abc import AsyncIterator, Callable
from typing import Final

import anyio.to_thread

from crawler.discovery import Page
from crawler.discovery.name_check import name_problem
from crawler.discovery.pending import ListResult, PendingName, ReportedName
from crawler.errors import ConfigError, Missing
from crawler.model.run_manifest import Evidence
from crawler.untrusted_text import printable

PAGE: Final = 1000

_PROBLEMS_QUOTED: Final = 3
_ENTRY_QUOTED: Final = 80
_LINE_END: Final = re.compile(r"\r\n|\n|\r")
_UTF_16_BOMS: Final = (b"\xff\xfe", b"\xfe\xff")


class ListDiscovery:
    """The names of a list, which is complete because it says what to look at: where every line of it is a name.

    A line that is no name is handed on like the others, to get its `invalid` record, and counts against the evidence:
    the name that its writer meant is not in the snapshot. A list of which the registry has nothing is another's.
    """

    method = "list"
    requires_all_listings = False

    def __init__(self, source: str, read: Callable[[], bytes], registry: str) -> None:
        """`source` names the list to a person; `read` gives its bytes, blocking, and is called in a worker thread.

        `registry` is the target's HOST[:PORT], by which full references are known.
        """
        self._source = source
        self._read = read
        self._registry = registry
        self._evidence = Evidence(complete=False, text=f"{source} was not read")
        self._listed = 0
        self._missing = 0
        self.pages_read = 0

    async def pages(self) -> AsyncIterator[Page]:
        try:
            # abandoned when the run is stopped: standard input may never end
            data = await anyio.to_thread.run_sync(self._read, abandon_on_cancel=True)
        except OSError as exc:
            why = "it is closed" if exc.errno == errno.EBADF else exc.strerror
            raise ConfigError([f"{self._source}: cannot be read: {why}"]) from None
        if _is_utf_16(data):
            self._evidence = self._nothing("is UTF-16, so none of its lines is read: save the list as UTF-8")
            return
        text = data.decode("utf-8-sig", "surrogateescape")
        lines = _entries(text)
        self._evidence = self._check_lines(lines) if lines else self._nothing(_why_none(text))
        names = list(lines)
        for start in range(0, len(names), PAGE):
            self.pages_read += 1
            yield dict.fromkeys(names[start : start + PAGE])

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

    def _nothing(self, why: str) -> Evidence:
        return Evidence(complete=False, text=f"{self._source} {why}")

    def _check_lines(self, lines: dict[str, int]) -> Evidence:
        """What is to be said of the entries, given with the numbers of their lines."""
        listed = f"{len(lines):,} {'name' if len(lines) == 1 else 'names'} listed in {self._source}"
        problems = [
            f"line {number:,}: {_quoted(entry)} {problem}"
            for entry, number in lines.items()
            if (problem := name_problem(entry, self._registry)) is not None
        ]
        if not problems:
            return Evidence(complete=True, text=listed)
        more = f"; and {len(problems) - _PROBLEMS_QUOTED:,} more" if len(problems) > _PROBLEMS_QUOTED else ""
        shown = "; ".join(problems[:_PROBLEMS_QUOTED])
        text = f"{listed}, of which {len(problems):,} cannot be right: {shown}{more}"
        return Evidence(complete=False, text=text)


def _is_utf_16(data: bytes) -> bool:
    """Whether a list is UTF-16, as PowerShell's `>` writes it: by its BOM, or by its first character's two bytes."""
    return data.startswith(_UTF_16_BOMS) or b"\0" in data[:2]


def _why_none(text: str) -> str:
    found = "holds comments and no names" if text.strip() else "is empty"
    return f"{found}: check the command that writes it"


def _entries(text: str) -> dict[str, int]:
    """What stands on the lines beside comments and blanks, each once, with the number of the first line it is on."""
    entries: dict[str, int] = {}
    for number, line in enumerate(_LINE_END.split(text), start=1):
        entry = line.partition("#")[0].strip()
        if entry:
            entries.setdefault(entry, number)
    return entries


def _quoted(entry: str) -> str:
    return f"'{printable(entry, _ENTRY_QUOTED)}'"
