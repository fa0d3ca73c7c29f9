"""A page of HTML as its reader has it: headings, tables by their caption, charts, and what it would load."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = frozenset({"meta", "br", "hr", "img", "input", "link"})
_LOADING = frozenset({"src", "href", "xlink:href", "srcset", "data", "action", "poster", "background", "ping"})


@dataclass(slots=True)
class Page:
    """What a page has.

    Attributes:
        tags: the name of every element.
        ids: every id, as often as it is there.
        loads: attributes that make a browser load something.
        handlers: attributes that run something.
        headings: level and text of each heading.
        tables: the rows of each table by its caption, the head first, each cell's text.
        charts: the title of each chart.
        text: all text that is shown.
    """

    tags: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    handlers: list[str] = field(default_factory=list)
    headings: list[tuple[int, str]] = field(default_factory=list)
    tables: dict[str, list[list[str]]] = field(default_factory=dict)
    charts: list[str] = field(default_factory=list)
    text: str = ""

    def numbers(self, caption: str) -> dict[str, list[str]]:
        """The cells of each row of a table, by the first one."""
        return {first: cells for first, *cells in self.tables[caption][1:]}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self._open: list[str] = []
        self._rows: list[list[str]] = []
        self._caption = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.page.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.page.ids.append(value or "")
            if name in _LOADING:
                self.page.loads.append(f"{tag} {name}={value}")
            if name.startswith("on"):
                self.page.handlers.append(name)
        if tag in _VOID:
            return
        self._open.append(tag)
        if tag == "table":
            self._rows, self._caption = [], ""
        elif tag == "tr":
            self._rows.append([])
        elif tag in {"td", "th"}:
            self._rows[-1].append("")
        elif re.fullmatch(r"h[1-6]", tag):
            self.page.headings.append((int(tag[1]), ""))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open[-1] == tag, f"</{tag}> within {self._open}"
        self._open.pop()
        if tag == "table":
            self.page.tables[self._caption] = self._rows

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            return
        if self._open[-2:] == ["svg", "title"]:
            self.page.charts.append(data)
        elif "svg" not in self._open:
            self.page.text += data
        if self._open[-1:] == ["caption"]:
            self._caption += data
        if "td" in self._open or "th" in self._open:
            self._rows[-1][-1] = (self._rows[-1][-1] + data).strip()
        if self._open and re.fullmatch(r"h[1-6]", self._open[-1]):
            level, text = self.page.headings[-1]
            self.page.headings[-1] = (level, text + data)


def read_page(html: str) -> Page:
    """Read a page. Fails where its elements are not closed in their order."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert reader._open == [], f"not closed: {reader._open}"
    reader.page.text = " ".join(reader.page.text.split())
    return reader.page
