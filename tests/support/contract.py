"""The tables of the contract that the tests keep, as rows of their cells."""

from pathlib import Path
from typing import Any

CONTRACT = Path(__file__).parents[1] / "contract" / "contract.md"


def section(heading: str) -> str:
    """The text below a heading, up to the next."""
    _, _, rest = CONTRACT.read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    assert rest, f"contract.md has no heading {heading!r}"
    return rest.partition("\n## ")[0]


def table(heading: str) -> list[dict[str, str]]:
    """The rows of the one table below a heading, by column; code marks are dropped."""
    lines = [line for line in section(heading).splitlines() if line.startswith("|")]
    columns, _, *rows = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]
    assert rows, f"contract.md has no rows below {heading!r}"
    return [dict(zip(columns, row, strict=True)) for row in rows]


def has_type(value: Any, name: str) -> bool:
    """Whether a JSON value is of a type as the contract writes it: `int`, `[string]`, `image or null`."""
    if name.endswith(" or null"):
        return value is None or has_type(value, name.removesuffix(" or null"))
    if name.startswith("["):
        return isinstance(value, list) and all(has_type(item, name[1:-1]) for item in value)
    if name == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    if name == "string":
        return isinstance(value, str)
    keys = name.partition(": ")[2]
    return isinstance(value, dict) and (not keys or list(value) == keys.split(", "))
