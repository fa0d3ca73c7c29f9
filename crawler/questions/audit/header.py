"""The head of a question's file: comments `-- key: value`, up to the first line that is no comment.

    -- question: Which images are older than N days?
    -- needs: depth configs
    -- input: running   the pods of the clusters
    -- parameter: days = 365   older than this many days
    -- column: answer   yes, or unknown
    -- column: repository   the repository
    -- column: why   why the answer is unknown

`question` and the columns `answer` and `why` must be there. `optional` is an input that need not be
given, and `compares` and `lines` are rare: see `Question`. People
write such files by hand, so a mistake is an error.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Final, NamedTuple

from crawler.errors import ConfigError
from crawler.questions.audit.question import (
    ANSWER,
    INPUTS,
    RESERVED,
    WHOLE_NUMBER,
    WHY,
    Input,
    Need,
    Parameter,
    Question,
)
from crawler.untrusted_text import printable

_LINE: Final = re.compile(r"--\s*([a-z]+):\s*(\S.*)")
_PARAMETER: Final = re.compile(r"([a-z][a-z0-9_]*)\s*=\s*(\S+)\s+(\S.*)")
_COLUMN: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s+(\S.*)")
_KEYS: Final = ("question", "needs", "parameter", "column", "input", "optional", "compares", "lines")
_ONCE: Final = ("question", "compares", "lines")


class _Line(NamedTuple):
    place: str
    key: str
    value: str

    def mistake(self, message: str) -> ConfigError:
        return ConfigError([f"{self.place}: {message}"])


def parse_question(name: str, file: str, text: str) -> Question:
    """The question in a file. `file` is its path, for messages. Raises ConfigError, which names file and line."""
    head = takewhile(lambda line: line.startswith("--"), text.splitlines())
    lines = [_line(f"{file}:{number}", line.rstrip()) for number, line in enumerate(head, 1)]
    _check_unique(lines)
    question = Question(
        name=name,
        asks=_only(lines, "question"),
        needs=tuple(_need(line) for line in lines if line.key == "needs"),
        inputs=tuple(_input(line) for line in lines if line.key in {"input", "optional"}),
        parameters=tuple(_parameter(line) for line in lines if line.key == "parameter"),
        columns=tuple(_column(line) for line in lines if line.key == "column"),
        compares=_only(lines, "compares"),
        lines=_only(lines, "lines"),
        sql=text,
        file=file,
    )
    _check_whole(question)
    return question


def _line(place: str, line: str) -> _Line:
    match = _LINE.fullmatch(line)
    if match is None or match[1] not in _KEYS:
        message = f"{place}: {printable(line)!r} is not '-- KEY: VALUE' with a key of {', '.join(_KEYS)}"
        raise ConfigError([f"{message}; an empty line ends the head"])
    return _Line(place, match[1], match[2])


def _only(lines: Iterable[_Line], key: str) -> str:
    """The value of a key that is there once, or not at all."""
    return next((line.value for line in lines if line.key == key), "")


def _need(line: _Line) -> Need:
    try:
        return Need(line.value)
    except ValueError:
        raise line.mistake(f"a snapshot cannot have {printable(line.value)!r}; needs are {', '.join(Need)}") from None


def _input(line: _Line) -> Input:
    name, _, meaning = line.value.partition(" ")
    if name not in INPUTS or not meaning:
        raise line.mistake(f"must be '-- {line.key}: NAME   MEANING'; inputs are {', '.join(INPUTS)}")
    return Input(name, meaning.strip(), is_optional=line.key == "optional")


def _parameter(line: _Line) -> Parameter:
    match = _PARAMETER.fullmatch(line.value)
    if match is None:
        raise line.mistake("must be '-- parameter: NAME = DEFAULT   MEANING', with a name in lower case")
    name, default, meaning = match.groups()
    if name in RESERVED:
        raise line.mistake(f"{name} is set by the program: choose another name")
    return Parameter(name, int(default) if WHOLE_NUMBER.fullmatch(default) else default, meaning)


def _column(line: _Line) -> str:
    match = _COLUMN.fullmatch(line.value)
    if match is None:
        raise line.mistake("must be '-- column: NAME   MEANING'")
    return match[1]


def _check_unique(lines: Sequence[_Line]) -> None:
    before = set[tuple[str, str]]()
    for line in lines:
        subject = (line.key, "" if line.key in _ONCE else re.split(r"[\s=]", line.value)[0])
        if line.key != "needs" and subject in before:
            raise line.mistake(f"is there twice: {line.key} {printable(subject[1])}".rstrip())
        before.add(subject)


def _check_whole(question: Question) -> None:
    """Raises ConfigError where something of the head is missing, or does not fit the rest."""
    file, columns = question.file, question.columns
    numbers = [parameter.name for parameter in question.parameters if isinstance(parameter.default, int)]
    mistakes = [
        "" if question.asks else f"{file}: has no line '-- question: …'",
        *("" if name in columns else f"{file}: has no line '-- column: {name}   …'" for name in (ANSWER, WHY)),
        _not_among(f"{file}: -- compares", question.compares, "a parameter with a number", numbers),
        _not_among(f"{file}: -- lines", question.lines, "a column", columns),
    ]
    if any(mistakes):
        raise ConfigError([mistake for mistake in mistakes if mistake])


def _not_among(place: str, value: str, noun: str, known: Sequence[str]) -> str:
    if not value or value in known:
        return ""
    return f"{place}: {printable(value)} is not {noun}: there are {', '.join(known) or 'none'}"
