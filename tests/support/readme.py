"""The project's Markdown documents: their blocks of code, their tables and their links."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
OPERATIONS = ROOT / ".github" / "OPERATIONS.md"
DOCUMENTS = (
    README,
    OPERATIONS,
    ROOT / ".github" / "QUESTIONS.md",
    ROOT / ".github" / "CLEANUP.md",
    ROOT / ".github" / "LAKE.md",
    ROOT / ".github" / "CHANGELOG.md",
    ROOT / ".github" / "CONTRIBUTING.md",
    ROOT / ".github" / "SECURITY.md",
    ROOT / "crawler" / "README.md",
    ROOT / "tests" / "README.md",
)

_FENCE = re.compile(r"```(\w*)")
_HEADING = re.compile(r"#+ (.+)")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """`language` is the word behind the fence, "" for a fence without one, "indented" for a block without fences."""

    document: Path
    section: str
    language: str
    text: str

    @property
    def first_line(self) -> str:
        return self.text.partition("\n")[0]


def blocks(document: Path) -> list[Block]:
    return blocks_of(document, document.read_text(encoding="utf-8"))


def blocks_of(document: Path, text: str) -> list[Block]:
    return list(_parse_blocks(document, text.split("\n")))


def _parse_blocks(document: Path, lines: list[str]) -> Iterator[Block]:
    section, language, body = "", None, []
    for line in [*lines, "the end"]:
        fence = _FENCE.fullmatch(line)
        if language not in {None, "indented"}:  # within a fence
            if line == "```":
                yield Block(document, section, language, "\n".join(body))
                language, body = None, []
            else:
                body.append(line)
        elif line.startswith("    ") or (language == "indented" and not line.strip()):
            language = "indented"
            body.append(line[4:])
        else:
            if language == "indented":
                yield Block(document, section, "indented", dedent("\n".join(body)).strip("\n"))
                language, body = None, []
            if fence is not None:
                language = fence[1]
            elif heading := _HEADING.fullmatch(line):
                section = heading[1]


def table(document: Path, section: str, first_column: str) -> list[dict[str, str]]:
    """The rows of the table under a heading whose first column has this name: each a dict by column name."""
    heading, rows = "", []
    columns: list[str] = []
    for line in document.read_text(encoding="utf-8").splitlines():
        if found := _HEADING.fullmatch(line):
            heading, columns = found[1], []
        if heading != section or not line.startswith("|"):
            columns = []
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not columns:
            columns = cells
        elif columns[0] == first_column and not set(line) <= set("|- "):
            rows.append(dict(zip(columns, cells, strict=True)))
    assert rows, f"{document}: no table with the column {first_column!r} under the heading {section!r}"
    return rows


def in_backticks(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def links(document: Path) -> list[str]:
    """The links that lead to files of this project, or to headings."""
    return [link for link in _LINK.findall(document.read_text(encoding="utf-8")) if "://" not in link]


def anchors(document: Path) -> set[str]:
    """The headings as links name them: in lower case, hyphens for spaces, without punctuation."""
    headings = [found[1] for line in document.read_text("utf-8").splitlines() if (found := _HEADING.fullmatch(line))]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
