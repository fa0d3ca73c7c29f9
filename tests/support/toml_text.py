"""Python values as TOML."""

import json
from typing import Any


def toml_value(value: Any) -> str:
    """Write a value as TOML; tables become inline tables."""
    match value:
        case dict():
            return "{" + ", ".join(f"{toml_value(str(key))} = {toml_value(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(toml_value, value)) + "]"
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case bool():
            return str(value).lower()
        case _:
            return str(value)
