"""The auditor's ten questions, each one command, about an emulated registry whose truth is known."""

import asyncio
import copy
import json
from datetime import datetime, timedelta

import pytest
from support.audit_answers import read_answer
from support.audit_truth import DIGEST_TAG, AuditTruth, Truth
from support.snapshots import read_snapshot
from support.stored_snapshots import SnapshotWriter

import crawler
from crawler.emulator import Settings, serving

OTHER_DIGEST = f"sha256:{'0' * 64}"


class Deep:
    """A deep snapshot of an emulated registry, and what is true of the registry."""

    def __init__(self, output, inventory):
        self.output = output
        (self.folder,) = output.glob("source=*/date=*/run=*")
        self.run = json.loads((self.folder / "_run.json").read_text(encoding="utf-8"))
        self.began = datetime.fromisoformat(self.run["started_at"])
        self.records = read_snapshot(output).by_name
        self.truth = AuditTruth(inventory, self.began)


@pytest.fixture(scope="module")
def deep(tmp_path_factory, few_authorities):
    """One crawl for all questions: 100 repositories, of which one image in twenty is broken."""
    folder = tmp_path_factory.mktemp("deep")

    async def crawl():
        async with serving(Settings(repositories=100, giants=0.0, broken=0.05)) as emulator:
            emulator.write_key(folder / "key.json")
            config = crawler.Config(
                registry=[{"target": emulator.registry, "auth": {"key_file": folder / "key.json"}}],
                images={"depth": "configs", "referrers": "listed"},
                output={"path": folder / "out"},
                limits={"concurrency": 16},
            )
            run = await crawler.crawl(config)
            assert (run.verdict, run.reasons) == ("complete", ())
            return emulator.inventory

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NO_PROXY", "127.0.0.1")
        return Deep(folder / "out", asyncio.run(crawl()))


@pytest.fixture
def ask(command, deep):
    async def run(*arguments):
        ended = await command("audit", *arguments, "--output", deep.output, "--format", "json")
        assert (ended.code, ended.err) == (0, "")
        return ended.out

    return run


async def test_audit_finds_what_is_older_than_a_year(ask, deep):
    expected = deep.truth.stale(365)
    assert expected.yes
    assert expected.unknown
    assert read_answer(await ask("stale", "--days", "365"), ["repository", "digest"]) == expected


async def test_audit_finds_what_is_untouched_for_six_months(ask, deep):
    expected = deep.truth.untouched(182)
    assert expected.yes
    assert expected.unknown
    assert read_answer(await ask("untouched", "--days", "182"), ["repository"]) == expected


async def test_audit_finds_tags_that_moved_since_last_week(command, deep, tmp_path):
    earlier, moved = copy.deepcopy(deep.records), set()
    for name, record in earlier.items():
        for image in [image for image in record["images"] or () if image["tags"]][::3]:
            names = [tag for tag in image["tags"] if not DIGEST_TAG.fullmatch(tag)]
            moved |= {(name, tag, OTHER_DIGEST, image["digest"]) for tag in names}
            image["digest"] = OTHER_DIGEST
    assert len(moved) > 10
    publish = SnapshotWriter(tmp_path / "snapshots")
    publish(f"{deep.began - timedelta(days=8):%Y-%m-%d}", records=list(earlier.values()))
    publish(f"{deep.began:%Y-%m-%d}", records=list(deep.records.values()))
    ended = await command("audit", "moved", "--days", "7", "--format", "json")
    assert ended.code == 0
    assert read_answer(ended.out, ["repository", "tag", "old_digest", "new_digest"]).yes == moved


async def test_audit_finds_what_is_unsigned(ask, deep):
    expected = deep.truth.unsigned()
    assert expected.unknown
    assert read_answer(await ask("unsigned"), ["repository", "digest"]) == expected


async def test_audit_finds_what_has_no_sbom(ask, deep):
    expected = deep.truth.without_sbom()
    assert expected.unknown
    assert read_answer(await ask("no-sbom"), ["repository", "digest"]) == expected


async def test_audit_finds_what_runs_as_root(ask, deep):
    expected = deep.truth.root()
    assert expected.yes
    assert expected.unknown
    assert read_answer(await ask("root"), ["repository", "digest"]) == expected


async def test_audit_finds_what_is_for_amd64_only(ask, deep):
    expected = deep.truth.single_platform("linux/amd64")
    assert expected.yes
    assert expected.unknown
    answer = read_answer(await ask("single-platform", "--set", "platform=linux/amd64"), ["repository", "digest"])
    assert answer == expected


async def test_audit_finds_bases_and_their_families(ask, deep):
    expected = deep.truth.bases()
    assert {family for *_, family in expected.yes} >= {"debian", "alpine", "node", "jre", "static", "nanoserver"}
    columns = ["repository", "digest", "base_digest", "base_from", "family"]
    assert read_answer(await ask("bases"), columns) == expected


async def test_audit_adds_up_bytes_by_team(ask, deep):
    expected = deep.truth.bytes_by_component(2)
    assert expected.yes
    assert expected.unknown
    rows = json.loads(await ask("bytes", "--component", "2"))
    found = Truth(set(), set())
    for row in rows:
        answers = found.yes if row["answer"] == "yes" else found.unknown
        answers.add((row["component"], row["bytes"], row["bytes_only_here"]))
    assert found == expected
    assert any(only < whole for _, whole, only in expected.yes)


async def test_audit_finds_duplicates(ask, deep):
    expected = deep.truth.duplicates()
    assert expected.yes
    answer = read_answer(await ask("duplicates"), ["digest", "repositories"])
    assert {(digest, *repositories) for digest, repositories in answer.yes} == expected.yes
