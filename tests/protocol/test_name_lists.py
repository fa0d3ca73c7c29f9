"""Lists of names as other commands write them. A line that is not a name is a reason; the other names are crawled."""

import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.scripted import listing_path, on, plain_registry, refusal, serve
from support.snapshots import Snapshot, read_snapshot

import crawler
from crawler.discovery.name_list_lines import line_problem, parse_lines
from crawler.model.names import RepositoryName

HELD = {"team/a": ("1",), "team/b": ("1", "2")}
NOT_FOUND = [on(listing_path(name), refusal(404, "NAME_UNKNOWN", "no such repository")) for name in ("x/1", "x/2")]
REGISTRY = "registry.example:5000"

fuzz = settings(max_examples=200, deadline=None)

component = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=8)
names = st.lists(component, min_size=1, max_size=4).map("/".join)
tags = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=10)


async def crawl(content: bytes, folder: Path, **registry) -> Snapshot:
    """Crawl a registry by a list of names. `{host}` in the list becomes the registry's HOST:PORT."""
    file = folder / "names.txt"
    async with serve([*NOT_FOUND, *plain_registry(HELD)]) as server:
        file.write_bytes(content.replace(b"{host}", server.host.encode()))
        table = {"target": server.host, "repositories_from": file, **registry}
        await crawler.crawl(crawler.Config(registry=[table], output={"path": folder / "out"}))
    return read_snapshot(folder / "out")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"team/a\nteam/b\n", id="plain"),
        pytest.param(b"\xef\xbb\xbfteam/a\r\nteam/b\r\n", id="a BOM and CRLF, as Windows writes them"),
        pytest.param(
            b"# ours\n\n team/a # the first\nteam/a\n\tteam/b", id="comments, blanks, doubles, no last newline"
        ),
        pytest.param(b"team/a\rteam/b\r", id="carriage returns alone"),
    ],
)
async def test_name_list_is_complete(content, tmp_path):
    snapshot = await crawl(content, tmp_path)
    assert snapshot.outcomes == {"team/a": "ok", "team/b": "ok"}
    assert snapshot.manifest["verdict"] == "complete"
    assert snapshot.manifest["discovery"]["evidence"] == f"2 names listed in {tmp_path / 'names.txt'}"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b"", "is empty: check the command that writes it", id="an empty file"),
        pytest.param(b"\xef\xbb\xbf\r\n", "is empty: check the command that writes it", id="a BOM alone"),
        pytest.param(b"# nothing yet\n\n", "has only comments: check", id="only comments"),
        pytest.param("team/a\r\n".encode("utf-16"), "is UTF-16, so no line was read: save", id="UTF-16"),
        pytest.param("\ufeffteam/a\n".encode("utf-16-be"), "is UTF-16, so no line was read", id="big-endian"),
        pytest.param("team/a\n".encode("utf-16-le"), "is UTF-16, so no line was read", id="without a BOM"),
    ],
)
async def test_name_list_without_names_is_partial(content, why, tmp_path):
    snapshot = await crawl(content, tmp_path)
    assert (snapshot.manifest["verdict"], snapshot.records) == ("partial", [])
    assert f"{tmp_path / 'names.txt'} {why}" in snapshot.manifest["reasons"][0]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        pytest.param(b"{host}/team/c", "is a full reference: write the name without", id="a full reference"),
        pytest.param(b"https://{host}/team/c", "is a full reference: write the name without", id="with its scheme"),
        pytest.param(b"https://elsewhere.example/c", "is a URL: write the name", id="a URL"),
        pytest.param(b"elsewhere.example:5000/c", "is a full reference to another registry", id="another registry's"),
        pytest.param(b"team/c:latest", "has a tag: write the name without ':latest'", id="a tag"),
        pytest.param(b"team/c@sha256:" + b"0" * 64, "has a digest: write the name without", id="a digest"),
        pytest.param(b"Team/C", "has upper case letters", id="upper case"),
        pytest.param(b"team/c,12", "looks like a line of a table (CSV)", id="CSV"),
        pytest.param(b"team/c   latest   3 days ago", "has spaces: write one name a line", id="columns"),
        pytest.param(b'"team/c"', "has quotes: write the name without them", id="jq without --raw-output"),
        pytest.param(b"<!doctype html>", "looks like HTML: the list may be an error page", id="HTML"),
        pytest.param(b"team/caf\xe9", "is not UTF-8: save the list as UTF-8", id="Latin-1"),
        pytest.param("team/café".encode(), "has 'é', which no", id="a letter that no name has"),
        pytest.param(b"team/c\0", "has NUL characters", id="a NUL"),
        pytest.param(b"/team/c", "has an empty part", id="a slash before"),
        pytest.param(b"team/" + b"c" * 300, "is longer than 255 characters", id="too long"),
    ],
)
async def test_name_list_with_an_invalid_line_is_partial_and_the_other_names_are_crawled(line, why, tmp_path):
    snapshot = await crawl(b"team/a\n# a comment\n" + line + b"\nteam/b\n", tmp_path)
    assert snapshot.manifest["verdict"] == "partial"
    reason = snapshot.manifest["reasons"][0]
    assert f"3 names listed in {tmp_path / 'names.txt'}, of which 1 is wrong: line 3: '" in reason
    assert why in reason
    assert reason.isprintable()
    outcomes = snapshot.outcomes
    assert (outcomes.pop("team/a"), outcomes.pop("team/b")) == ("ok", "ok")
    assert list(outcomes.values()) == ["invalid"]


async def test_name_list_with_many_mistakes_quotes_the_first_three(tmp_path):
    snapshot = await crawl(b"".join(b"team/a:%d\n" % number for number in range(5)), tmp_path)
    reason = snapshot.manifest["reasons"][0]
    assert "5 are wrong: line 1: 'team/a:0' has a tag" in reason
    assert "line 3: 'team/a:2' has a tag: write the name without ':2'; and 2 more" in reason
    assert "line 4" not in reason


async def test_name_list_cuts_a_long_entry_in_the_reason(tmp_path):
    snapshot = await crawl(b"team/" + b"c" * 3000, tmp_path)
    assert len(snapshot.manifest["reasons"][0]) < 500


async def test_name_list_of_another_registry_is_partial(tmp_path):
    snapshot = await crawl(b"x/1\nx/2\n", tmp_path)
    assert snapshot.outcomes == {"x/1": "missing", "x/2": "missing"}
    assert snapshot.manifest["verdict"] == "partial"
    assert "has none of them: check the registry and the list" in snapshot.manifest["reasons"][0]


async def test_name_list_with_a_missing_repository_is_complete(tmp_path):
    snapshot = await crawl(b"team/a\nx/1\n", tmp_path)
    assert snapshot.outcomes == {"team/a": "ok", "x/1": "missing"}
    assert snapshot.manifest["verdict"] == "complete"


@fuzz
@given(names)
def test_line_problem_is_none_for_a_name(name):
    assert line_problem(name, REGISTRY) is None


@fuzz
@given(names, st.sampled_from(["", "https://", "docker://"]), st.sampled_from([REGISTRY, REGISTRY.upper(), "gcr.io"]))
def test_line_problem_finds_a_full_reference(name, scheme, registry):
    problem = line_problem(f"{scheme}{registry}/{name}", registry.lower())
    assert problem == f"is a full reference: write the name without '{scheme}{registry}/'"


def test_line_problem_allows_a_project_with_the_name_of_its_host():
    assert line_problem("harbor/app", "harbor") is None
    assert "full reference" in (line_problem("https://harbor/app", "harbor") or "")
    assert "full reference" in (line_problem("localhost/app", "localhost") or "")


@fuzz
@given(names, tags)
def test_line_problem_finds_a_tag(name, tag):
    assert line_problem(f"{name}:{tag}", REGISTRY) == f"has a tag: write the name without ':{tag}'"


@fuzz
@given(names.filter(lambda name: name.upper() != name))
def test_line_problem_finds_upper_case(name):
    assert "upper case" in (line_problem(name.upper(), REGISTRY) or "")


@settings(fuzz, max_examples=500)
@given(st.text(max_size=30) | st.text("aB/:.@,-_ #<é\0", max_size=12))
def test_line_problem_is_none_exactly_for_the_names(text):
    problem = line_problem(text, REGISTRY)
    assert (problem is None) == is_name(text)
    assert problem is None or (problem.isprintable() and len(problem) < 250)


def is_name(text: str) -> bool:
    try:
        RepositoryName(text)
    except ValueError:
        return False
    return True


def test_parse_lines_gives_each_entry_the_number_of_its_first_line():
    assert parse_lines(b"# ours\n\nteam/a # the first\r\nteam/b\rteam/a\n") == {"team/a": 3, "team/b": 4}


@fuzz
@given(st.binary(max_size=60))
def test_parse_lines_of_any_bytes_gives_entries_without_comments_and_spaces(data):
    entries = parse_lines(data)
    assert all(entry == entry.strip() and entry and "#" not in entry for entry in entries)
    assert list(entries.values()) == sorted(set(entries.values()))
