"""Which names a pattern of Harbor matches: github.com/bmatcuk/doublestar v1.3.4, which Harbor's go.mod names.

`*` and `?` match within a component, `**` as a component of its own any number of them, `[a-z]` and `[^a-z]` one
character, `{a,b}` either text; a backslash takes the meaning from the next character. Harbor takes an empty pattern for
one that matches everything (src/lib/selector/selectors/doublestar/selector.go).
"""

import re
from collections.abc import Iterator
from typing import Final

_BRACE: Final = "\0"
"""Stands where an alternative of braces begins: `**` there is no component of its own, as in `{**,a}`."""

_MOST_ALTERNATIVES: Final = 1000


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """A pattern that matches (`fullmatch`) a name. Raises ValueError for one that Harbor cannot read."""
    if not pattern:
        return re.compile(".*", re.DOTALL)
    if _BRACE in pattern:
        raise ValueError("it has a NUL character")
    alternatives = list(_expand(pattern))
    return re.compile("|".join(_regex(each) for each in alternatives), re.DOTALL)


def _expand(pattern: str) -> Iterator[str]:
    """The patterns without braces that a pattern stands for. Raises ValueError."""
    todo, made = [pattern], 0
    while todo:
        each = todo.pop()
        start = _find(each, "{", 0)
        if start < 0:
            made += 1
            if made > _MOST_ALTERNATIVES:
                raise ValueError(f"it stands for more than {_MOST_ALTERNATIVES} patterns")
            yield each
            continue
        options, end = _options(each, start + 1)
        if len(todo) + len(options) > _MOST_ALTERNATIVES:
            raise ValueError(f"it stands for more than {_MOST_ALTERNATIVES} patterns")
        todo += [f"{each[:start]}{_BRACE}{option}{each[end:]}" for option in options]


def _find(text: str, wanted: str, start: int) -> int:
    """Where a character is that has its meaning: not after a backslash, and not in a class; -1 where it is not."""
    at, in_class = start, False
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif in_class:
            in_class = text[at] != "]"
        elif text[at] == wanted:
            return at
        else:
            in_class = text[at] == "["
        at += 1
    return -1


def _options(text: str, start: int) -> tuple[list[str], int]:
    """The alternatives of the braces that were opened before `start`, and where they end. Raises ValueError."""
    options, begin, depth, at = list[str](), start, 0, start
    while at < len(text):
        match text[at]:
            case "\\":
                at += 1
            case "{":
                depth += 1
            case "," if depth == 0:
                options.append(text[begin:at])
                begin = at + 1
            case "}" if depth == 0:
                return [*options, text[begin:at]], at + 1
            case "}":
                depth -= 1
        at += 1
    raise ValueError("a { is not closed")


def _regex(pattern: str) -> str:
    components = _components(pattern)
    last, parts = len(components) - 1, list[str]()
    for number, component in enumerate(components):
        if component == "**":
            parts.append(".*" if number == last else "(?:[^/]*/)*")
        else:
            parts.append(_component_regex(component) + ("" if number == last else "/"))
    return "".join(parts)


def _components(pattern: str) -> list[str]:
    components, at = list[str](), 0
    while (slash := _find(pattern, "/", at)) >= 0:
        components.append(pattern[at:slash])
        at = slash + 1
    return [*components, pattern[at:]]


def _component_regex(component: str) -> str:
    parts, at = list[str](), 0
    while at < len(component):
        match component[at]:
            case "\\":
                at += 1
                if at == len(component):
                    raise ValueError("it ends with a backslash")
                parts.append(re.escape(component[at]))
            case "*":
                parts.append("[^/]*")
            case "?":
                parts.append("[^/]")
            case "[":
                text, at = _class_regex(component, at + 1)
                parts.append(text)
                continue
            case character if character != _BRACE:
                parts.append(re.escape(character))
        at += 1
    return "".join(parts)


def _class_regex(component: str, at: int) -> tuple[str, int]:
    """A class of characters as a regular expression, and where it ends. Raises ValueError."""
    negated = component[at : at + 1] == "^"
    at += negated
    ranges = list[str]()
    while at < len(component) and component[at] != "]":
        low, at = _class_character(component, at)
        high = low
        if component[at : at + 1] == "-":
            high, at = _class_character(component, at + 1)
        if low <= high:  # a range from z to a is empty
            ranges.append(f"{re.escape(low)}-{re.escape(high)}")
    if at >= len(component):
        raise ValueError("a [ is not closed")
    if not ranges and not negated:
        raise ValueError("a [] is empty")
    inner = "".join(ranges)
    if negated:
        return f"[^/{inner}]", at + 1
    return f"(?!/)[{inner}]", at + 1


def _class_character(component: str, at: int) -> tuple[str, int]:
    if component[at : at + 1] == "\\":
        at += 1
    elif component[at : at + 1] in {"-", "]", ""}:
        raise ValueError("a [ holds a - that stands for nothing")
    if at >= len(component):
        raise ValueError("a [ is not closed")
    return component[at], at + 1
