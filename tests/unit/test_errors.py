import inspect
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crawler
from crawler import errors
from crawler.errors import ConfigError, CrawlerError, Denied, RegistryError, Unreachable
from crawler.untrusted_text import printable

fuzz = settings(max_examples=150)

LONGEST_ESCAPE = len("\\U0001f600")


def drawn_tree():
    """The tree of the module's docstring: each class's name and its parent's."""
    ancestors, parents = [], {}
    for line in errors.__doc__.splitlines():
        # the drawing's blanks and bars, a branch, and a name; prose and continued lines have none of it
        if match := re.fullmatch(r"    (CrawlerError)|    ((?:│   |    )*)[├└]── (\w+)(?: .*)?", line):
            root, indent, name = match.groups()
            depth = 0 if root else 1 + len(indent) // 4
            del ancestors[depth:]
            parents[root or name] = ancestors[-1] if ancestors else "Exception"
            ancestors.append(root or name)
    return parents


def exceptions_of(module):
    """The exception classes that a module defines itself."""
    return [
        kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, BaseException) and kind.__module__ == module.__name__
    ]


def test_error_tree_equals_the_docstring():
    assert drawn_tree() == {kind.__name__: kind.__base__.__name__ for kind in exceptions_of(errors)}


def test_error_classes_have_one_parent():
    assert all(len(kind.__bases__) == 1 for kind in exceptions_of(errors))


def test_error_classes_are_crawler_errors():
    public = [getattr(crawler, name) for name in crawler.__all__]
    for kind in exceptions_of(errors) + [kind for kind in public if inspect.isclass(kind)]:
        assert issubclass(kind, CrawlerError) or not issubclass(kind, BaseException), kind


def test_error_classes_are_public():
    for kind in exceptions_of(errors):
        assert kind.__name__ in crawler.__all__
        assert getattr(crawler, kind.__name__) is kind


def test_public_names_exist():
    assert len(set(crawler.__all__)) == len(crawler.__all__)
    assert all(hasattr(crawler, name) for name in crawler.__all__)


@pytest.mark.parametrize("kind", [kind for kind in exceptions_of(errors) if issubclass(kind, RegistryError)])
def test_error_message_has_request_status_code_and_message(kind):
    refusal = kind("GET https://gcr.io/v2/_catalog", code="DENIED", message="not for you", http_status=403)
    assert str(refusal) == "GET https://gcr.io/v2/_catalog: 403 DENIED: not for you"
    assert (refusal.request, refusal.code, refusal.message, refusal.http_status) == (
        "GET https://gcr.io/v2/_catalog",
        "DENIED",
        "not for you",
        403,
    )


def test_error_message_without_a_response_has_no_status():
    silence = Unreachable("GET https://gcr.io/v2/", code="UNREACHABLE", message="gcr.io fell silent")
    assert silence.http_status is None
    assert str(silence) == "GET https://gcr.io/v2/: UNREACHABLE: gcr.io fell silent"


def test_error_is_caught_as_a_crawler_error():
    with pytest.raises(CrawlerError):
        raise Denied("GET https://gcr.io/v2/", code="DENIED", message="no")


def test_config_error_has_one_line_per_mistake():
    mistakes = ["config.toml:3: registry.target: not a host", "--rate: not a rate"]
    error = ConfigError(mistakes)
    mistakes.clear()
    assert error.mistakes == ("config.toml:3: registry.target: not a host", "--rate: not a rate")
    assert str(error).splitlines() == list(error.mistakes)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("plain words", "plain words"),
        ("Zürich 東京 😀", "Zürich 東京 😀"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("two\r\nlines\tand a tab", "two\\r\\nlines\\tand a tab"),
        ("\x00\x07\x7f\x9b", "\\x00\\x07\\x7f\\x9b"),
        ("a\u202eb\u2066c\u200fd", "a\\u202eb\\u2066c\\u200fd"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("line\u2028and\u2029paragraph\u0085", "line\\u2028and\\u2029paragraph\\x85"),
        ("\ud800 \udcff", "\\ud800 \\udcff"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_printable_escapes_what_controls_a_terminal(text, shown):
    assert printable(text) == shown


def test_printable_cuts_long_text_with_an_ellipsis():
    assert printable("x" * 300) == "x" * 300
    assert printable("x" * 301) == "x" * 299 + "…"
    assert printable("x" * 10_000_000, 60) == "x" * 59 + "…"


@fuzz
@given(st.text(st.characters()) | st.text(st.characters(categories=["C", "Z"])), st.integers(1, 40))
def test_printable_makes_any_text_printable(text, limit):
    shown = printable(text, limit)
    assert shown.isprintable()
    shown.encode("utf-8")
    assert len(shown) <= limit * LONGEST_ESCAPE
    if text.isprintable():
        assert shown == (text if len(text) <= limit else text[: limit - 1] + "…")


@fuzz
@given(st.text(st.characters(codec="utf-8", exclude_characters="\\")))
def test_printable_escapes_are_reversible(text):
    shown = printable(text, 1000)
    assert shown.encode("latin-1", "backslashreplace").decode("unicode_escape") == text


@pytest.mark.parametrize("piece", ["x", "\x1b", "\u202e"])
def test_printable_cuts_before_it_escapes(piece):
    assert len(printable(piece * 20_000_000)) <= 300 * LONGEST_ESCAPE
