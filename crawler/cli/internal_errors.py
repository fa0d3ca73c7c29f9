"""An unexpected exception, in one line: what a person can report, without the values it may quote."""

import traceback
from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).parent.parent


def brief_traceback(bug: BaseException) -> str:
    """The type of an exception, and the innermost of our lines that it passed through."""
    while isinstance(bug, BaseExceptionGroup):
        bug = bug.exceptions[0]
    lines = [
        f"{path.relative_to(_PACKAGE.parent)}:{frame.lineno}"
        for frame in traceback.extract_tb(bug.__traceback__)
        if (path := Path(frame.filename)).is_relative_to(_PACKAGE)
    ]
    return f"{type(bug).__name__} in {lines[-1]}" if lines else type(bug).__name__
