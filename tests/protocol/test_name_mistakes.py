"""Why a text is not a repository name, as a message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.plain_words import is_plain
from support.scripted import catalog_path, document, on, plain_registry, serve
from support.snapshots import read_snapshot

import crawler
from crawler.model.name_mistakes import name_mistake
from crawler.model.names import RepositoryName, Target

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("Team/App", "has upper case letters"),
        ("team//app", "has an empty part: it has '//'"),
        ("/team/app", "has an empty part: it begins with '/'"),
        ("team/app/", "has an empty part: it ends with '/'"),
        ("team/app:1.0", "has a tag: write the name without ':1.0'"),
        (f"team/app@{DIGEST}", "has a digest: write the name without '@sha256:00000"),
        (f"team/app:1.0@{DIGEST}", "has a tag and a digest: write the name without ':1.0@sha256:"),
        ("robot@team/app", "has '@'"),
        ("https://gcr.io/team/app", "is a URL"),
        ("gcr.io:443/team/app", "is a full reference to another registry"),
        ("team app", "has ' ', which no repository name may have"),
        ("team/café", "has 'é', which"),
        ("team/\u202eapp", r"has '\u202e', which"),
        ("team/-app", "has the part '-app': a part begins and ends with a letter or digit"),
        ("team/app_", "has the part 'app_'"),
        ("a___b/app", "has the part 'a___b'"),
        ("team/a..b", "has the part 'a..b'"),
        ("." * 200, "has the part '........................…'"),
        ("a" * 256, "is longer than 255 characters"),
    ],
)
def test_name_mistake_says_where_the_mistake_is(text, message):
    assert name_mistake(text).startswith(message)
    with pytest.raises(ValueError, match="not a repository name: it ") as refused:
        RepositoryName(text)
    assert str(refused.value).endswith(name_mistake(text))


@given(st.text(max_size=40) | st.text("aB/:.@,-_ #é\0\u202e", max_size=15))
def test_name_mistake_of_any_text_is_one_short_line(text):
    message = name_mistake(text)
    assert is_plain(message)
    assert 0 < len(message) < 300


@pytest.mark.parametrize("piece", ["a", "@", ":", "a:", "/", "sha256:0", "@a:000000"])
def test_name_mistake_of_a_hostile_text_is_found_quickly(piece):
    name_mistake(piece * 1_000_000)


def test_name_mistake_in_the_prefix_of_a_target():
    with pytest.raises(ValueError, match=r"^has upper case letters"):
        Target.parse("registry.example.com/Team")


async def test_name_mistake_is_in_the_record(tmp_path):
    script = [on(catalog_path(), document({"repositories": ["alpha", "Team/App"]})), *plain_registry()]
    async with serve(script) as server:
        await crawler.crawl(crawler.Config(registry=[{"target": server.host}], output={"path": tmp_path}))
    record = read_snapshot(tmp_path).by_name["Team/App"]
    assert (record["outcome"], record["error"]["code"]) == ("invalid", "NAME_INVALID")
    assert record["error"]["message"] == (
        "not a repository name: it has upper case letters, which no repository name may have"
    )
