"""Which questions there are: the shipped ones, and those in a folder of the user's."""

import re
from collections.abc import Iterable
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from crawler.errors import ConfigError
from crawler.questions.audit.header import parse_question
from crawler.questions.audit.question import Question
from crawler.untrusted_text import quoted_path

_SUFFIX: Final = ".sql"
_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def load_questions(folder: Path | None = None) -> dict[str, Question]:
    """Every question by name: the shipped ones, then those in `folder`. Raises ConfigError."""
    shipped = _load((files(__package__) / "sql").iterdir())
    if folder is None:
        return shipped
    own = _load(_own_files(folder))
    again = [f"{own[name].file}: {name} is a shipped question: rename the file" for name in own if name in shipped]
    if again:
        raise ConfigError(again)
    return shipped | own


def _own_files(folder: Path) -> list[Path]:
    try:
        found = [path for path in folder.iterdir() if path.suffix == _SUFFIX]
    except OSError as exc:
        raise ConfigError([f"--questions {quoted_path(folder)}: cannot be read: {exc.strerror}"]) from None
    if not found:
        raise ConfigError([f"--questions {quoted_path(folder)}: holds no *.sql file"])
    return found


def _load(paths: Iterable[Traversable]) -> dict[str, Question]:
    return {path.name.removesuffix(_SUFFIX): _read(path) for path in sorted(paths, key=lambda path: path.name)}


def _read(path: Traversable) -> Question:
    file, name = quoted_path(str(path)), path.name.removesuffix(_SUFFIX)
    if _NAME.fullmatch(name) is None:
        raise ConfigError([f"{file}: the name of a question has small letters, digits and hyphens: rename the file"])
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
        raise ConfigError([f"{file}: cannot be read: {reason}"]) from None
    return parse_question(name, file, text)
