"""How is a text written, so that TOML, YAML, systemd, cron or a shell reads the same text?"""

import json
import re
import shlex
from typing import Final

_NOT_IN_YAML: Final = re.compile("[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
"""What YAML does not read as it is written: control characters, the other line breaks (NEL, LS, PS), the BOM.

Lone surrogates are left, which `render` refuses.
"""

_UNIT_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "%": "%%"}


def yaml_string(text: str) -> str:
    """A text as a double-quoted scalar of YAML."""
    quoted = json.dumps(text, ensure_ascii=False)
    return _NOT_IN_YAML.sub(lambda found: f"\\U{ord(found[0]):08x}", quoted)


def toml_string(text: str) -> str:
    """A text as a basic string of TOML."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def yaml_block(text: str, indent: int) -> str:
    """A text as a literal block of YAML, whose lines are indented; double-quoted where it cannot be one.

    The indicator says how much is indented: the text's first line may begin with spaces itself.
    """
    if _NOT_IN_YAML.search(text) or not text.endswith("\n") or not text.strip("\n"):
        return yaml_string(text)
    indicator = "2" if text[0] in " \n" else ""
    chomping = "+" if text.endswith("\n\n") else ""
    lines = [f"{' ' * indent}{line}" if line else "" for line in text.split("\n")[:-1]]
    return f"|{indicator}{chomping}\n" + "\n".join(lines)


def unit_word(text: str) -> str:
    """A text as one quoted word of a systemd unit, where `%` begins no specifier."""
    return '"' + "".join(map(_unit_character, text)) + '"'


def unit_argument(text: str) -> str:
    """A text as one word of a command line in a systemd unit, where `$` begins no variable."""
    escaped = unit_word(text).replace("$", "$$")
    return escaped if re.search(r"[^\w@%+=:,./-]", text, re.ASCII) or not text else escaped[1:-1]


def _unit_character(character: str) -> str:
    if character in _UNIT_ESCAPES:
        return _UNIT_ESCAPES[character]
    return character if character.isprintable() else "".join(f"\\x{byte:02x}" for byte in character.encode())


def shell_word(text: str) -> str:
    """A text as one word of a POSIX shell."""
    return shlex.quote(text)


def cron_command(words: str) -> str:
    """A command line as a crontab has it, where `%` would be a newline."""
    return words.replace("%", "\\%")


def heredoc(text: str) -> str:
    """A text as a here-document of a POSIX shell, which expands nothing in it. `text` ends with a newline."""
    end = "END"
    while f"\n{end}\n" in f"\n{text}":
        end += "_"
    return f"<<'{end}'\n{text}{end}"
