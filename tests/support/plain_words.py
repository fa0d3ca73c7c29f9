"""What no message for an operator may hold: Python's way of writing values, and the names of libraries' errors."""

import re

NOT_FOR_PEOPLE = re.compile(
    r"\[Errno|\('[^']*', ?\d|<class |object at 0x|: b['\"]|_ssl\.c|Traceback|Multiple exceptions"
    r"|aiohttp|aiohappyeyeballs|asyncio|pydantic|orjson|uvloop|Client\w*Error|HttpProcessing|OSError|HTTPStatus\."
)


def is_plain(text: str) -> bool:
    """Whether a message is one printable line without such words."""
    return text.isprintable() and NOT_FOR_PEOPLE.search(text) is None
