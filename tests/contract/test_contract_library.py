"""The public face of the package: its names, and that type checkers see them (`typing_api.py`)."""

import inspect

import pytest
from support.contract import table

import crawler


def kind_of(value: object) -> str:
    if isinstance(value, str):
        return "text"
    if not inspect.isclass(value):
        return "function"
    return "error" if issubclass(value, Exception) else "class"


def test_contract_all_is_the_whole_public_api():
    assert sorted(crawler.__all__) == sorted(row["name"] for row in table("Library"))


@pytest.mark.parametrize("row", table("Library"), ids=lambda row: row["name"])
def test_contract_names_are_what_they_are_said_to_be(row):
    assert kind_of(getattr(crawler, row["name"])) == row["kind"]


def test_contract_every_error_is_a_crawler_error():
    errors = [getattr(crawler, row["name"]) for row in table("Library") if row["kind"] == "error"]
    assert all(issubclass(error, crawler.CrawlerError) for error in errors)
