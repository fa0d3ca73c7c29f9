"""Names, targets, timestamps and the folder of a snapshot."""

import itertools
import re
import string
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.model.grammar import MAX_NAME_LENGTH
from crawler.model.names import RepositoryName, Target
from crawler.model.run_manifest import snapshot_folder
from crawler.model.timestamps import timestamp

fuzz = settings(max_examples=100)

LOWER = string.ascii_lowercase + string.digits

# distribution-spec, "Pulling manifests": names built from parts, not from a pattern
runs = st.text(LOWER, min_size=1, max_size=6)
separators = st.sampled_from([".", "_", "__", "-", "--", "---------"])


@st.composite
def components(draw):
    name = draw(runs)
    for separator in draw(st.lists(separators, max_size=3)):
        name += separator + draw(runs)
    return name


repository_names = st.lists(components(), min_size=1, max_size=4).map("/".join)
labels = st.builds(lambda first, middle, last: first + middle + last, runs, st.sampled_from(["", "-", "--"]), runs)
hosts = (
    st.lists(labels, min_size=1, max_size=4).map(".".join)
    | st.ip_addresses(v=4).map(str)
    | st.ip_addresses(v=6).map(lambda address: f"[{address.compressed}]")
)


def fits_the_grammar(name):
    """Whether the specification's grammar has the name, without a pattern."""
    for component in name.split("/"):
        groups = ["".join(group) for _, group in itertools.groupby(component, key=LOWER.__contains__)]
        if not groups or groups[0][0] not in LOWER or groups[-1][0] not in LOWER:
            return False
        if any(group not in {".", "_", "__"} and set(group) != {"-"} for group in groups[1::2]):
            return False
    return True


def accepted(name):
    try:
        return RepositoryName(name) == name
    except ValueError:
        return False


@fuzz
@given(repository_names)
def test_repository_name_is_any_text_that_the_grammar_makes(name):
    assert accepted(name) == (len(name) <= MAX_NAME_LENGTH)


def test_repository_name_accepts_exactly_the_short_texts_of_the_grammar():
    for length in range(6):
        for letters in itertools.product("a0._-/", repeat=length):
            name = "".join(letters)
            assert accepted(name) == fits_the_grammar(name), name


@fuzz
@given(st.text() | st.text("ab09._-/AZ %\n\u0430\u0661", max_size=12))
def test_repository_name_accepts_a_text_exactly_if_it_fits_the_grammar(text):
    assert accepted(text) == fits_the_grammar(text)


@fuzz
@given(repository_names, st.characters(exclude_characters=LOWER + "._-/"), st.data())
def test_repository_name_with_one_foreign_character_is_refused(name, foreign, data):
    at = data.draw(st.integers(0, len(name)))
    assert not accepted(name[:at] + foreign + name[at:])


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "../a",
        "a/../b",
        "a..b",
        "a___b",
        "a._b",
        "-a",
        "a-",
        "_a",
        "A",
        "a b",
        "a\n",
        "a\r\nHost: evil.example",
        "a%2fb",
        "a?n=1",
        "a#b",
        "a@sha256:aa",
        "a:latest",
        "\u0430",
        "\u0661",
        "a\u202e",
        "a" * 256,
        "a/" * 127 + "aa",
    ],
)
def test_repository_name_that_could_change_a_url_is_refused(name):
    with pytest.raises(ValueError, match="repository name"):
        RepositoryName(name)


@pytest.mark.parametrize("name", ["a", "0", "library/alpine", "a.b_c__d--e/f", "a" * 255, "a/" * 127 + "a"])
def test_repository_name_is_the_text_itself(name):
    assert RepositoryName(name) == name
    assert f"{RepositoryName(name)}" == name
    assert hash(RepositoryName(name)) == hash(name)


@pytest.mark.parametrize("piece", ["a", "a-", "a--", "a.", "a_", "a/", "-"])
def test_repository_name_of_a_hostile_length_is_refused_quickly(piece):
    for length in (MAX_NAME_LENGTH - 1, 2_000_000):
        assert not accepted((piece * length)[:length] + "!")


@fuzz
@given(hosts, st.none() | st.integers(1, 65_535), st.just("") | repository_names, st.booleans())
def test_target_is_parsed_as_it_was_written(host, port, prefix, in_upper_case):
    if prefix and port is None and host.isascii() and not set(host) & set(".[:"):
        prefix = ""  # a path without its host
    registry = host if port is None else f"{host}:{port}"
    written = f"{registry.upper() if in_upper_case else registry}/{prefix}".rstrip("/")
    target = Target.parse(written)
    assert (target.registry, target.prefix) == (registry, prefix)
    assert target.host == host.strip("[]")
    assert str(target) == (f"{registry}/{prefix}" if prefix else registry)
    assert Target.parse(str(target)) == target


@pytest.mark.parametrize(
    ("text", "registry", "prefix"),
    [
        ("gcr.io", "gcr.io", ""),
        ("gcr.io/", "gcr.io", ""),
        ("gcr.io/my-project", "gcr.io", "my-project"),
        ("GCR.io/my-project/", "gcr.io", "my-project"),
        ("us-docker.pkg.dev/my-project/my-repo", "us-docker.pkg.dev", "my-project/my-repo"),
        ("localhost:5000", "localhost:5000", ""),
        ("127.0.0.1:5000/a", "127.0.0.1:5000", "a"),
        ("[::1]", "[::1]", ""),
        ("[::1]:5000/a/b", "[::1]:5000", "a/b"),
        ("[2001:DB8::7]", "[2001:db8::7]", ""),
    ],
)
def test_target_as_people_write_it(text, registry, prefix):
    assert Target.parse(text) == Target(registry, prefix)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("/my-project", "has no host"),
        (":5000", "has no host"),
        ("https://gcr.io", "has a scheme: write 'gcr.io'"),
        ("gcr.io/https://x", "has a scheme; "),
        ("gcr.io:", "not a port"),
        ("gcr.io:0", "not a port"),
        ("gcr.io:65536", "not a port"),
        ("gcr.io:-1", "not a port"),
        ("gcr.io:http", "not a port"),
        ("gcr.io:\u0661", "not a port"),
        ("gcr.io: 80", "has blanks"),
        ("me:secret@gcr.io", "has a user"),
        ("me@gcr.io", "has a user"),
        ("gcr..io", "not a host"),
        ("gcr.io.", "not a host"),
        ("-gcr.io", "not a host"),
        ("gcr-.io", "not a host"),
        ("gcr_io", "not a host"),
        ("gcr.io\n", "has blanks: write 'gcr.io'"),
        ("g\u0441r.io", "not a host"),
        ("::1", r"without brackets: write '\[::1\]'"),
        ("[::1", "not a"),
        ("[]", "not a host"),
        ("[gcr.io]", "not a host"),
        ("[::1]x", "not a"),
        ("gcr.io?x", "not a host"),
        ("gcr.io#x", "not a host"),
        ("gcr.io/My-Project", "has upper case letters, which no repository name has: write 'gcr.io/my-project'"),
        ("gcr.io/a//b", r"has an empty part \('//'\): write 'gcr.io/a/b'"),
        ("gcr.io/../a", "repository name"),
        ("gcr.io/a:latest", "has a tag: write 'gcr.io/a'"),
        ("gcr.io/" + "a" * 256, "repository name"),
    ],
)
def test_target_that_is_malformed_is_refused_with_the_reason(text, reason):
    with pytest.raises(ValueError, match=reason):
        Target.parse(text)


@pytest.mark.parametrize("text", ["[:]", "[....]", "[:::::::::]", "[1.2.3.4]", "[12345::]", "[1::2::3]:5000"])
def test_target_with_anything_but_ipv6_in_brackets_is_refused(text):
    with pytest.raises(ValueError, match="not a host"):
        Target.parse(text)


@pytest.mark.parametrize("digits", [20, 5000])
def test_target_with_a_port_of_many_digits_is_refused(digits):
    with pytest.raises(ValueError, match="is not a port"):
        Target.parse("gcr.io:" + "9" * digits)


@fuzz
@given(st.text() | st.text("ag0.:/[]-_@?#%\n", max_size=14))
def test_target_from_any_text_is_valid_or_a_value_error(text):
    try:
        target = Target.parse(text)
    except ValueError:
        return
    assert target.registry.isascii()
    assert target.registry.isprintable()
    assert not set(target.registry) & set("/@?#% ")
    assert not target.prefix or accepted(target.prefix)


@pytest.mark.parametrize("piece", ["a", "a.", "a-", "a-.", "-", ".", ":", "[", "]", "/", "a/"])
def test_target_of_a_hostile_length_is_refused_quickly(piece):
    with pytest.raises(ValueError, match=r"not a|has |looks like"):
        Target.parse(piece * 100_000 + "!")


@pytest.mark.parametrize(
    ("text", "is_loopback"),
    [
        ("localhost", True),
        ("localhost:5000", True),
        ("registry.localhost", True),
        ("127.0.0.1:5000", True),
        ("127.8.9.10", True),
        ("[::1]:5000", True),
        ("localhost.example", False),
        ("notlocalhost", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("[::2]", False),
        ("127.0.0.1.example", False),
        ("gcr.io", False),
    ],
)
def test_target_is_loopback_only_on_this_machine(text, is_loopback):
    assert Target.parse(text).is_loopback is is_loopback


@pytest.mark.parametrize(
    ("target", "name", "covered"),
    [
        ("gcr.io", "anything/at/all", True),
        ("gcr.io/p", "p", True),
        ("gcr.io/p", "p/a", True),
        ("gcr.io/p", "p/a/b", True),
        ("gcr.io/p", "p2", False),
        ("gcr.io/p", "p2/a", False),
        ("gcr.io/p", "a/p", False),
        ("gcr.io/p/a", "p", False),
    ],
)
def test_target_prefix_covers_whole_components(target, name, covered):
    assert Target.parse(target).covers(name) is covered


zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@fuzz
@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=zones))  # noqa: DTZ001
def test_timestamp_is_the_time_in_utc_to_the_millisecond(time):
    text = timestamp(time)
    assert len(text) == len("2026-11-23T02:00:00.000Z")
    assert text.endswith("Z")
    assert timedelta(0) <= time - datetime.fromisoformat(text) < timedelta(milliseconds=1)


def test_timestamp_as_the_snapshot_has_it():
    assert timestamp(datetime(2026, 11, 23, 2, tzinfo=UTC)) == "2026-11-23T02:00:00.000Z"
    india = timezone(timedelta(hours=5, minutes=30))
    assert timestamp(datetime(2026, 11, 23, 2, 0, 0, 999_999, tzinfo=india)) == "2026-11-22T20:30:00.999Z"


@fuzz
@given(st.lists(st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=zones), max_size=5))  # noqa: DTZ001
def test_timestamp_order_as_text_is_the_order_in_time(times):
    assert [timestamp(time) for time in sorted(times)] == sorted(map(timestamp, times))


@pytest.mark.parametrize(
    ("target", "folder"),
    [
        ("gcr.io", "source=gcr.io/date=2026-11-23/run=20261123T020000Z-1f6c"),
        ("gcr.io/my-project", "source=gcr.io%2Fmy-project/date=2026-11-23/run=20261123T020000Z-1f6c"),
        ("localhost:5000", "source=localhost%3A5000/date=2026-11-23/run=20261123T020000Z-1f6c"),
        ("[::1]:5000", "source=[%3A%3A1]%3A5000/date=2026-11-23/run=20261123T020000Z-1f6c"),
    ],
)
def test_snapshot_folder_is_as_the_contract_says(target, folder):
    assert snapshot_folder(target, "2026-11-23T02:00:00.000Z", "20261123T020000Z-1f6c") == folder


@fuzz
@given(hosts, st.none() | st.integers(1, 65_535))
def test_snapshot_folder_contains_the_registry_percent_encoded(host, port):
    registry = Target.parse(host if port is None else f"{host}:{port}").registry
    parts = snapshot_folder(registry, "2026-11-23T02:00:00.000Z", "r").split("/")
    assert len(parts) == 3
    assert ":" not in parts[0]
    assert unquote(parts[0].removeprefix("source=")) == registry


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("https://gcr.io/x", "has a scheme: write 'gcr.io/x'"),
        ("http://localhost:5000/v2/", "has a scheme: write 'localhost:5000' with --plain-http"),
        ("https://registry.example.com/v2/_catalog?n=5", "has a scheme: write 'registry.example.com'"),
        ("https://gcr.io/https://gcr.io", "has a scheme; a target is HOST[:PORT][/PREFIX]"),
        ("https://me:secret@gcr.io", "has a scheme; a target is HOST[:PORT][/PREFIX]"),
        ("localhost:5000/app:1.0", "has a tag: write 'localhost:5000/app'; a snapshot is of whole repositories"),
        ("localhost:5000/my.app:1.0", "has a tag: write 'localhost:5000/my.app'; a snapshot is of whole repositories"),
        ("localhost:5000/my.app:latest", "has a tag: write 'localhost:5000/my.app'; a snapshot is of whole"),
        ("gcr.io/a/b:v1", "has a tag: write 'gcr.io/a/b'; a snapshot is of whole repositories"),
        ("gcr.io/a@sha256:00aa", "has a digest: write 'gcr.io/a'; a snapshot is of whole repositories"),
        ("localhost:5000/a:v1@sha256:00aa", "has a digest: write 'localhost:5000/a'; a snapshot is of"),
        ("gcr.io//x", "has an empty part ('//'): write 'gcr.io/x'"),
        ("gcr.io/A/B", "has upper case letters, which no repository name has: write 'gcr.io/a/b'"),
        ("gcr.io/a b", "has blanks; a target is HOST[:PORT][/PREFIX]"),
        (" gcr.io/a ", "has blanks: write 'gcr.io/a'"),
        ("my-project/app", "looks like a path without its host: write HOST/my-project/app, such as"),
        ("example.com:my-project", "has no host before the project: write 'gcr.io/example.com/my-project'"),
        ("nginx:latest", "'latest' is not a port, which is a number from 1 to 65535, and a target has no tag"),
        ("gcr.io:70000/a", "'70000' is not a port, which is a number from 1 to 65535"),
        ("reader@gcr.io", "has a user before '@'; a target is HOST[:PORT][/PREFIX], and the user is --username"),
        ("a_b.example.com", "'a_b.example.com' is not a host; a target is HOST[:PORT][/PREFIX]"),
        ("gcr.io/a?n=1", "'a?n=1' is not the beginning of a repository name: lower case letters and digits"),
        ("gcr.io/" + "a" * 256, "has a prefix of more than 255 characters, which no repository name has"),
    ],
)
def test_target_mistake_says_what_is_wrong_and_what_to_write(text, reason):
    with pytest.raises(ValueError, match="^" + re.escape(reason)):
        Target.parse(text)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("gcr.io/example.com:my-project", "gcr.io/example.com/my-project"),
        ("gcr.io/example.com:my-project/", "gcr.io/example.com/my-project"),
        ("eu.gcr.io/corp.example.co.uk:my-project-1/team/app", "eu.gcr.io/corp.example.co.uk/my-project-1/team/app"),
        ("us-docker.pkg.dev/example.com:my-project/my-repo", "us-docker.pkg.dev/example.com/my-project/my-repo"),
        ("localhost:5000/example.com:my-project", "localhost:5000/example.com/my-project"),
    ],
)
def test_target_may_be_a_google_project_of_a_domain(text, target):
    assert str(Target.parse(text)) == target


@pytest.mark.parametrize("text", ["my-project", "registry:5000/team", "localhost/team", "registry.kube-system/team"])
def test_target_may_have_a_host_of_the_cluster_or_of_this_machine(text):
    assert str(Target.parse(text)) == text


@pytest.mark.parametrize("piece", ["http://", "a@", "a b ", "a.b:cdefgh/", "A", "[", "a:"])
def test_target_mistake_is_found_quickly(piece):
    with pytest.raises(ValueError, match=r"has |is not a|looks like"):
        Target.parse("gcr.io/" + piece * 100_000)
    with pytest.raises(ValueError, match=r"has |is not a|looks like"):
        Target.parse(piece * 100_000)
