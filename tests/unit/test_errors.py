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


def test_the_tree_is_as_drawn():
    assert drawn_tree() == {kind.__name__: kind.__base__.__name__ for kind in exceptions_of(errors)}


def test_every_error_has_one_parent():
    assert all(len(kind.__bases__) == 1 for kind in exceptions_of(errors))


def test_every_error_can_be_caught_as_a_crawler_error():
    public = [getattr(crawler, name) for name in crawler.__all__]
    for kind in exceptions_of(errors) + [kind for kind in public if inspect.isclass(kind)]:
        assert issubclass(kind, CrawlerError) or not issubclass(kind, BaseException), kind


def test_every_error_is_public():
    for kind in exceptions_of(errors):
        assert kind.__name__ in crawler.__all__
        assert getattr(crawler, kind.__name__) is kind


def test_every_public_name_is_there():
    assert len(set(crawler.__all__)) == len(crawler.__all__)
    assert all(hasattr(crawler, name) for name in crawler.__all__)


@pytest.mark.parametrize("kind", [kind for kind in exceptions_of(errors) if issubclass(kind, RegistryError)])
def test_a_registrys_error_says_what_was_asked_and_what_came_back(kind):
    refusal = kind("GET https://gcr.io/v2/_catalog", code="DENIED", message="not for you", http_status=403)
    assert str(refusal) == "GET https://gcr.io/v2/_catalog: 403 DENIED: not for you"
    assert (refusal.request, refusal.code, refusal.message, refusal.http_status) == (
        "GET https://gcr.io/v2/_catalog",
        "DENIED",
        "not for you",
        403,
    )


def test_an_error_without_an_answer_names_no_status():
    silence = Unreachable("GET https://gcr.io/v2/", code="UNREACHABLE", message="gcr.io fell silent")
    assert silence.http_status is None
    assert str(silence) == "GET https://gcr.io/v2/: UNREACHABLE: gcr.io fell silent"


def test_one_except_clause_catches_a_refusal():
    with pytest.raises(CrawlerError):
        raise Denied("GET https://gcr.io/v2/", code="DENIED", message="no")


def test_every_mistake_of_a_configuration_is_told_on_its_own_line():
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
def test_what_could_trick_a_terminal_is_shown_as_an_escape(text, shown):
    assert printable(text) == shown


def test_what_is_too_long_is_cut_and_says_so():
    assert printable("x" * 300) == "x" * 300
    assert printable("x" * 301) == "x" * 299 + "…"
    assert printable("x" * 10_000_000, 60) == "x" * 59 + "…"


@fuzz
@given(st.text(st.characters()) | st.text(st.characters(categories=["C", "Z"])), st.integers(1, 40))
def test_any_text_can_be_shown_logged_and_stored(text, limit):
    shown = printable(text, limit)
    assert shown.isprintable()
    shown.encode("utf-8")
    assert len(shown) <= limit * LONGEST_ESCAPE
    if text.isprintable():
        assert shown == (text if len(text) <= limit else text[: limit - 1] + "…")


@fuzz
@given(st.text(st.characters(codec="utf-8", exclude_characters="\\")))
def test_an_escaped_text_says_which_characters_came(text):
    shown = printable(text, 1000)
    assert shown.encode("latin-1", "backslashreplace").decode("unicode_escape") == text


@pytest.mark.parametrize("piece", ["x", "\x1b", "\u202e"])
def test_a_hostile_text_is_cut_before_it_is_escaped(piece):
    assert len(printable(piece * 20_000_000)) <= 300 * LONGEST_ESCAPE
