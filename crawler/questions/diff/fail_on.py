"""`--fail-on`: which changes make the command fail."""

from types import MappingProxyType
from typing import Final

from crawler.errors import ConfigError
from crawler.questions.diff.changes import ChangeKind

_GROUPS: Final = MappingProxyType(
    {
        "added": [kind for kind in ChangeKind if kind.endswith("-added")],
        # a repository that was emptied has lost what was in it
        "removed": [*(kind for kind in ChangeKind if kind.endswith("-removed")), ChangeKind.REPOSITORY_EMPTIED],
        "moved": [ChangeKind.TAG_MOVED],
        "emptied": [ChangeKind.REPOSITORY_EMPTIED],
        "problems": [ChangeKind.PROBLEM_NEW],
        "unknown": [ChangeKind.UNKNOWN],
        "any": list(ChangeKind),
        **{kind.value: [kind] for kind in ChangeKind},
    }
)

FAIL_ON_WORDS: Final = ", ".join(_GROUPS)
"""Every word that `--fail-on` takes."""


def parse_fail_on(text: str) -> frozenset[ChangeKind]:
    """The kinds that a list of words, separated by commas, stands for. Raises ConfigError."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    unknown = [word for word in words if word not in _GROUPS]
    if unknown or not words:
        raise ConfigError(
            [f"--fail-on: {word!r} is no kind of change; there are {FAIL_ON_WORDS}" for word in unknown or [text]]
        )
    return frozenset(kind for word in words for kind in _GROUPS[word])
