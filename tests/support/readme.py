"""The README's blocks of code: those in fences, and those that are indented."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"

_FENCE = re.compile(r"```(\w*)")


@dataclass(frozen=True, slots=True)
class Block:
    """`language` is what stands behind the fence, "" where nothing does, and "indented" without a fence."""

    language: str
    section: str
    text: str

    @property
    def first_line(self) -> str:
        return self.text.partition("\n")[0]


def blocks(text: str | None = None) -> list[Block]:
    return list(_found((README.read_text(encoding="utf-8") if text is None else text).split("\n")))


def _found(lines: list[str]) -> Iterator[Block]:
    section, language, held = "", None, []
    for line in [*lines, "the end"]:
        fence = _FENCE.fullmatch(line)
        if language not in {None, "indented"}:  # within a fence
            if line == "```":
                yield Block(language, section, "\n".join(held))
                language, held = None, []
            else:
                held.append(line)
        elif line.startswith("    ") or (language == "indented" and not line.strip()):
            language = "indented"
            held.append(line[4:])
        else:
            if language == "indented":
                yield Block(language, section, "\n".join(held).strip("\n"))
                language, held = None, []
            if fence is not None:
                language = fence[1]
            elif line.startswith("#"):
                section = line.lstrip("# ")
