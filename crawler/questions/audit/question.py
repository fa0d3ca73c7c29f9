"""A question: what it asks, what it needs, which parameters it takes, and which columns its answer has."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from crawler.errors import ConfigError
from crawler.untrusted_text import printable

ANSWER: Final = "answer"
"""The column that says whether it is so: `yes` or `unknown`. What is not so has no row."""
WHY: Final = "why"
"""The column that says why an answer is unknown."""

RUN_ID: Final = "run_id"
BASELINE: Final = "baseline"
RESERVED: Final = (RUN_ID, BASELINE)
"""Parameters of a question that compares: the run ids of the snapshot, and of the earlier one."""

WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,18}")
"""What a BIGINT of the SQL can hold."""


class Need(StrEnum):
    """What a question needs a snapshot to have."""

    IMAGES = "images"
    """The images of tags."""
    TIMES = "times"
    """When images were built or uploaded."""
    SIZES = "sizes"
    """How large images are."""
    MANIFESTS = "depth manifests"
    CONFIGS = "depth configs"
    REFERRERS = "referrers listed"


INPUTS: Final = {"running": "--running FILE", "policy": "--policy FILE"}
"""The inputs that a question may read beside the snapshot, with the option that gives each. An input is a table."""


@dataclass(frozen=True, slots=True)
class Input:
    """An input of a question: a table of INPUTS. One that is optional is an empty table where it is not given."""

    name: str
    meaning: str
    is_optional: bool

    @property
    def option(self) -> str:
        return INPUTS[self.name]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter `$name` of the SQL. It takes whole numbers where its default is one, else text."""

    name: str
    default: int | str
    meaning: str

    def parse(self, text: str) -> int | str:
        """A value that a user wrote. Raises ConfigError."""
        if isinstance(self.default, str):
            return text
        if WHOLE_NUMBER.fullmatch(text) is None:
            raise ConfigError([f"{self.name}={printable(text)}: must be a whole number of at most 18 digits"])
        return int(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A named question.

    Attributes:
        asks: the question in words.
        columns: those of the answer, in their order.
        compares: the parameter with the number of days between the snapshot and the earlier one that it is compared
            with; "" for a question about one snapshot. The SQL has `$run_id` and `$baseline` instead of it.
        lines: the column that is printed alone, a line for each row that is so, for other programs; "" for rows.
        file: where it is written, for messages.
    """

    name: str
    asks: str
    needs: tuple[Need, ...]
    inputs: tuple[Input, ...]
    parameters: tuple[Parameter, ...]
    columns: tuple[str, ...]
    compares: str
    lines: str
    sql: str
    file: str

    def values(self, given: Mapping[str, str]) -> dict[str, int | str]:
        """The value of each parameter: the given one, else the default. Raises ConfigError."""
        known = {parameter.name: parameter for parameter in self.parameters}
        unknown = [name for name in given if name not in known]
        if unknown:
            takes = [f"{each.name} ({each.meaning})" for each in self.parameters]
            words = f"its parameters are {', '.join(takes)}" if takes else "it takes none"
            raise ConfigError([f"{self.name} has no parameter {printable(name)}: {words}" for name in unknown])
        return {name: each.parse(given[name]) if name in given else each.default for name, each in known.items()}

    def check_inputs(self, given: Collection[str]) -> None:
        """Raise ConfigError unless these inputs are the question's."""
        takes = {each.name: each for each in self.inputs}
        lacking = [
            f"{self.name} needs {each.option}: {each.meaning}"
            for each in self.inputs
            if not each.is_optional and each.name not in given
        ]
        excess = [f"{self.name} takes no {INPUTS[name]}" for name in given if name not in takes]
        if lacking or excess:
            raise ConfigError([*lacking, *excess])
