"""What `registry-crawler report` says: its numbers are those of the records, and what is not known is said apart."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from support.audit_answers import ask
from support.report_pages import Page, read_page
from support.report_records import (
    bytes_by_team,
    counts_of,
    coverage,
    digest_of,
    image,
    images_by_age,
    images_by_platform,
    made_up_records,
    record,
)

from crawler.model.words import size_text
from crawler.questions.report.history import newer_snapshot
from crawler.tables.selection import earlier_snapshots, select_snapshot

DEEP = {"depth": "configs", "referrers": "api"}
SHALLOW = {"depth": "tags", "referrers": "none"}


@pytest.fixture
def report(command):
    """Run the command on a snapshot; return the page."""

    async def run(snapshot, *options) -> Page:
        ended = await command("report", snapshot, *options)
        assert (ended.code, ended.err) == (0, "")
        return read_page(ended.out)

    return run


@pytest.fixture
def markdown(command):
    """Run the command on a snapshot; return the page as Markdown."""

    async def run(snapshot) -> str:
        ended = await command("report", snapshot, "--format", "markdown")
        assert (ended.code, ended.err) == (0, "")
        return ended.out

    return run


def written(counts) -> dict[str, str]:
    return {label: f"{count:,}" for label, count in counts.items() if count}


def cells(rows: dict[str, list[str]], column: int) -> dict[str, str]:
    """A column of a table, without zeros."""
    return {label: row[column] for label, row in rows.items() if row[column] != "0"}


@pytest.mark.parametrize("seed", range(3))
async def test_report_has_the_numbers_of_the_records(publish, report, markdown, seed):
    records = made_up_records(seed)
    folder = publish(records=records, **DEEP, **counts_of(records))
    page, text = await report(folder), await markdown(folder)
    of_teams = bytes_by_team(records)
    total = of_teams.pop("")
    expected = {**{team: size_text(bytes_) for team, bytes_ in of_teams.items()}, "empty": "0 bytes"}
    assert {team: row[0] for team, row in page.numbers("Bytes by team").items()} == expected
    assert f"once in the {size_text(total)} of the whole registry" in page.text
    assert cells(page.numbers("Images by age"), 0) == written(images_by_age(records))
    of_unknown_kind = sum(found["kind"] is None for each in records for found in each["images"])
    assert f"as far as these are known: {of_unknown_kind} are of an unknown kind" in page.text
    assert cells(page.numbers("Images by platform"), 0) == written(images_by_platform(records))
    covered = page.numbers("Tagged images with a signature, an SBOM and a provenance")
    of_kinds = {kind.lower(): [int(row[n]) for n in (0, 2, 3)] for kind, row in covered.items()}
    assert of_kinds == coverage(records)
    for caption in ("Bytes by team", "Images by age", "Images by platform"):
        for label, row in page.numbers(caption).items():
            assert f"| {' | '.join([label, *row])} |" in text


@pytest.mark.parametrize("referrers", ["listed", "api"])
async def test_report_agrees_with_audit(publish, report, referrers):
    records = made_up_records(7)
    signed_by_tag = f"sha256-{'f' * 64}"
    records.append(record("tool", tags=[signed_by_tag], images=[image(digest_of("list"), tags=[signed_by_tag])]))
    records.append(record("cut", tags=["v"], images=[image(digest_of("i"), tags=["v"], kind="image")], suspect="cut"))
    folder = publish(records=records, depth="configs", referrers=referrers, **counts_of(records))
    page = await report(folder)
    covered = page.numbers("Tagged images with a signature, an SBOM and a provenance")
    for kind, question in (("signature", "unsigned"), ("SBOM", "no-sbom")):
        answers = Counter(row["answer"] for row in ask(folder, question) if row["digest"] is not None)
        assert [int(covered[kind][column]) for column in (2, 3)] == [answers["yes"], answers["unknown"]]


async def test_report_says_that_a_damaged_snapshot_before_was_not_compared(publish, report, markdown):
    records = [record("a/b", tags=["v"])]
    old = publish("2026-11-19", records=records, **SHALLOW, **counts_of(records))
    (old / "part-00000.jsonl").write_text("")
    new = publish(records=records, **SHALLOW, **counts_of(records))
    said = "with run 20261119T020000Z-0000, the last complete snapshot: 20261119T020000Z-0000 holds 0 records"
    assert f"Not compared {said}" in (await report(new)).text
    assert f"**Not compared** {said}" in await markdown(new)


async def test_report_of_a_damaged_snapshot_is_an_error(publish, command):
    publish("2026-11-19", records=[], **SHALLOW)
    folder = publish(records=[record("a/b", tags=["v"])], **SHALLOW)
    (folder / "part-00000.jsonl").write_text("{broken\n")
    ended = await command("report", folder)
    assert (ended.code, ended.out) == (1, "")
    assert "part-00000.jsonl holds 8 bytes, and its _run.json says 297: was it copied whole?" in ended.complaint


async def test_report_of_teams_below_the_folder_that_all_repositories_are_in(publish, report):
    names = ("prod/a/cart/web", "prod/a/cart", "prod/a/ads/api", "prod/a/ads/x/y")
    records = [record(name, tags=["v1", "v2"]) for name in names]
    page = await report(publish(records=records, **SHALLOW, **counts_of(records)))
    assert page.tables["Bytes by team"][1:] == [["ads", "unknown", "2", "4"], ["cart", "unknown", "2", "4"]]
    assert "below prod/a/." in page.text


async def test_report_shows_fifteen_teams_and_the_sum_of_the_others(publish, report):
    def of_team(number):
        layer = {"digest": digest_of(f"{number}"), "size_bytes": 1000 * number, "media_type": None}
        manifest = {"config_digest": None, "layers": [layer], "annotations": None}
        return record(f"team-{number:02}/app", tags=["v"], images=[image(digest_of("i"), manifest=manifest)])

    records = [of_team(number) for number in range(1, 20)]
    page = await report(publish(records=records, **DEEP, **counts_of(records)))
    rows = page.tables["Bytes by team"][1:]
    assert [row[0] for row in rows] == [f"team-{number:02}" for number in range(19, 4, -1)] + ["others (4)"]
    assert rows[-1] == ["others (4)", "10 kB", "4", "4"]


async def test_report_of_a_complete_snapshot_says_why_it_is_complete(publish, report, markdown):
    evidence = {"method": "catalog", "pages": 1, "repositories": 1, "complete": True, "evidence": "no next link"}
    records = [record("a/b", tags=["v"], images=[])]
    folder = publish(records=records, reasons=[], discovery=evidence, **DEEP, **counts_of(records))
    page = await report(folder)
    assert page.text.index("✓ Complete") < page.text.index("no next link") < page.text.index("Growth")
    assert "Partial" not in page.text
    assert "**Complete.** This snapshot is known to hold every repository" in await markdown(folder)


async def test_report_of_a_partial_snapshot_has_each_reason_first(publish, report, markdown):
    error = {"code": "DENIED", "http_status": 403, "message": "no access"}
    records = [record(f"team/app-{n:02}", outcome="denied", error=error) for n in range(25)]
    records.append(record("team/cut", tags=["v"], suspect="page 2 repeated earlier entries"))
    reasons = ["25 repositories denied", "1 repository with a possibly truncated listing"]
    folder = publish(records=records, verdict="partial", reasons=reasons, **SHALLOW, **counts_of(records))
    page = await report(folder)
    assert page.text.index("⚠ Partial") < page.text.index(reasons[0]) < page.text.index(reasons[1])
    assert page.text.index(reasons[1]) < page.text.index("the numbers below may be too low")
    assert "Complete" not in page.text.partition("Changes since")[0]
    failed = page.tables["Repositories that were denied, failed or may be truncated"][1:]
    assert failed == [[f"team/app-{n:02}", "denied", "403 DENIED: no access"] for n in range(20)]
    assert "And 6 more." in page.text
    text = await markdown(folder)
    assert "**Partial.**" in text
    assert all(f"\n- {reason}\n" in text for reason in reasons)
    assert "| team/app-19 | denied | 403 DENIED: no access |\n\nAnd 6 more." in text


def test_report_of_a_partial_merge_knows_the_whole_one_that_began_with_it(publish):
    partial, whole = publish(verdict="partial"), publish()
    newer = newer_snapshot(select_snapshot(publish.output, partial.name.removeprefix("run=")))
    assert newer is not None
    assert (newer.run_id, newer.is_complete) == (whole.name.removeprefix("run="), True)
    assert newer_snapshot(select_snapshot(publish.output, newer.run_id)) is None


async def test_report_says_that_a_newer_snapshot_is_partial(publish, report, markdown):
    publish("2026-11-19", verdict="partial")
    publish("2026-11-20", target="elsewhere.example.com")
    folder = publish("2026-11-20")
    newest = publish("2026-11-21", verdict="partial")
    said = f"There is a newer snapshot, of 2026-11-21 02:00 UTC: run {newest.name.removeprefix('run=')}, partial."
    assert said in (await report(folder)).text
    assert said in (await markdown(folder)).replace("**", "")
    assert "newer snapshot" not in (await report(newest)).text


async def test_report_names_the_option_for_what_the_depth_cannot_tell(publish, report, markdown):
    records = [record("a/b", tags=["v"]), record("a/c", tags=["v"])]
    folder = publish(records=records, **SHALLOW, **counts_of(records))
    page, text = await report(folder), await markdown(folder)
    for said in (page.text, text.replace("`", "")):
        assert "Bytes are not known from this snapshot: take one with --depth manifests" in said
        assert "The age of images is not known from this snapshot: take one with --depth configs." in said
        assert "Platforms are not known from this snapshot: take one with --depth configs." in said
        assert "take one with --depth configs --referrers listed." in said
        assert "read only to the depth tags: --depth configs also finds tags without an image" in said
        assert "There are no images" not in said
    assert not page.charts
    assert "Images by age" not in page.tables


async def test_report_names_no_option_where_nothing_more_could_be_read(publish, report, markdown):
    unread = [image(digest_of("x"), tags=["v"], kind="image")]
    records = [record("a/b", tags=["v"], images=unread)]
    folder = publish(records=records, **DEEP, **counts_of(records))
    for said in ((await report(folder)).text, (await markdown(folder)).replace("\n", " ")):
        assert "Bytes are not known. " in said
        assert "The age of images is not known. " in said
        assert "Platforms are not known. " in said
        assert "Signatures and SBOMs are not known. " in said
        assert "--depth" not in said


async def test_report_knows_no_bytes_where_only_indexes_were_read(publish, report):
    manifest = {"config_digest": None, "layers": None, "annotations": None}
    records = [record("a/b", tags=["v"], images=[image(digest_of("x"), tags=["v"], kind="index", manifest=manifest)])]
    page = await report(publish(records=records, **DEEP, **counts_of(records)))
    assert page.tables["Bytes by team"][1:] == [["b", "unknown", "1", "1"]]
    assert "Bytes are not known." in page.text


async def test_report_says_that_listed_sizes_count_shared_layers_twice(publish, report):
    images = [image(digest_of(f"{n}"), tags=[f"v{n}"], size_bytes=1500) for n in range(2)]
    records = [record("a/x/app", tags=["v0", "v1"], images=images), record("a/y", images=[image(digest_of("z"))])]
    page = await report(publish(records=records, **SHALLOW, **counts_of(records)))
    assert page.tables["Bytes by team"][1:] == [["x", "3 kB", "1", "2"], ["y", "unknown", "1", "0"]]
    assert "a layer counts for each image that has it, so they may be too high. --depth manifests" in page.text
    assert "since their bytes are not known: 1 of 3 images" in page.text
    assert "bytes, as listed" in page.text


async def test_report_counts_a_signature_as_unknown_where_none_was_looked_for(publish, report):
    images = [
        image(digest_of("asked"), tags=["a"], kind="image", referrers=[]),
        image(digest_of("not asked"), tags=["b"], kind="image"),
    ]
    records = [record("a/b", tags=["a", "b"], images=images, children=[])]
    page = await report(publish(records=records, depth="manifests", referrers="listed", **counts_of(records)))
    covered = page.tables["Tagged images with a signature, an SBOM and a provenance"]
    assert covered[1] == ["signature", "0", "0 %", "1", "1"]
    assert "--referrers api also asks the registry about each image" in page.text


async def test_report_of_problems_has_examples_of_each_kind(publish, report, markdown):
    def problem(kind, tag):
        return {"problem": kind, "tag": tag, "digest": None, "code": "X", "http_status": 404, "message": "not there"}

    records = [
        record("a/b", tags=["v"], problems=[problem("dangling-tag", f"v{n}") for n in range(5)]),
        record("a/c", tags=["v"], problems=[problem("dangling-tag", "v"), problem("schema1", "old")]),
    ]
    folder = publish(records=records, **DEEP, **counts_of(records))
    page = await report(folder)
    assert page.tables["Problems by kind"][1:] == [["dangling-tag", "6", "2"], ["schema1", "1", "1"]]
    assert "a/b:v0: X: not there" in page.text
    assert "And 3 more." in page.text
    assert "a/b:v3" not in page.text
    assert "- a/c:old: X: not there" in await markdown(folder)


async def test_report_of_one_snapshot_has_nothing_to_compare_with(publish, report):
    page = await report(publish())
    assert "there is nothing to compare with" in page.text
    assert "This is the only snapshot that is kept" in page.text
    assert not any(chart.endswith("over time") for chart in page.charts)


async def test_report_has_the_growth_of_every_snapshot_before(publish, report, markdown):
    for day, verdict, repositories, images in (("18", "complete", 10, None), ("19", "partial", 4, 5)):
        counts = {**counts_of([])["counts"], "repositories": repositories, "tags": 2000, "images": images}
        publish(f"2026-11-{day}", verdict=verdict, records=[], counts=counts)
    folder = publish("2026-11-20")
    publish("2026-11-21", counts={**counts_of([])["counts"], "repositories": 99})
    publish("2026-11-19", target="elsewhere.example.com")
    page = await report(folder)
    assert page.tables["Growth over the snapshots kept"][1:] == [
        ["2026-11-20 02:00 UTC", "complete", "6", "26", "22"],
        ["2026-11-19 02:00 UTC", "partial", "4", "2,000", "5"],
        ["2026-11-18 02:00 UTC", "complete", "10", "2,000", "not listed"],
    ]
    assert page.charts[:3] == ["Repositories over time", "Tags over time", "Images over time"]
    assert "| 2026-11-19 02:00 UTC | partial | 4 | 2,000 | 5 |" in await markdown(folder)


async def test_report_has_the_growth_of_snapshots_whose_records_were_removed(publish, report):
    removed = publish("2026-11-19", verdict="partial")
    folder = publish("2026-11-20")
    (removed / "part-00000.jsonl").unlink()
    assert len((await report(folder)).tables["Growth over the snapshots kept"][1:]) == 2


def test_report_of_a_folder_at_the_top_of_a_disk_has_no_history(publish):
    folder = publish()
    snapshot = replace(select_snapshot(folder, str(folder)), folder=Path("/snapshot"))
    assert (earlier_snapshots(snapshot), newer_snapshot(snapshot)) == ([], None)


async def test_report_thins_the_growth_of_many_snapshots(publish, report):
    for number in range(240):
        counts = {**counts_of([])["counts"], "repositories": number}
        publish(f"2026-{1 + number // 28:02}-{1 + number % 28:02}", records=[], counts=counts)
    page = await report("registry.example.com", "--output", publish.output)
    shown = [int(row[2]) for row in page.tables["Growth over the snapshots kept"][1:]]
    assert (len(shown), shown[0], shown[-1]) == (100, 239, 0)
    assert shown == sorted(shown, reverse=True)
    assert "240 snapshots are kept; 100 of them are shown" in page.text


async def test_report_has_what_changed_since_the_last_complete_snapshot(publish, report, markdown):
    def night(**tags):
        records = [
            record(f"team/{name}", tags=[tag], images=[image(digest_of(content), tags=[tag])])
            for name, (tag, content) in tags.items()
        ]
        discovery = {"method": "catalog", "pages": 1, "repositories": 1, "complete": True, "evidence": "no next link"}
        return {"records": records, "reasons": [], "discovery": discovery, **DEEP, **counts_of(records)}

    publish("2026-11-18", **night(moved=("v1", "old"), gone=("v1", "x")))
    publish("2026-11-19", verdict="partial", **{**night(new=("v9", "y")), "reasons": ["1 repository denied"]})
    folder = publish("2026-11-20", **night(moved=("v1", "new"), new=("v1", "y")))
    page = await report(folder)
    changes = page.numbers("Changes by kind")
    assert (changes["repository-added"], changes["repository-removed"], changes["tag-moved"]) == (["1"], ["1"], ["1"])
    assert "of 2026-11-18 02:00 UTC" in page.text
    old, new = (digest_of(text)[:19] for text in ("old", "new"))
    assert f"team/moved:v1: from {old} to {new}" in page.text
    text = await markdown(folder)
    assert "| repository-removed | 1 |" in text
    assert "### repository-removed\n\n- team/gone" in text


async def test_report_of_an_empty_registry(publish, report, markdown):
    folder = publish(records=[], slowest=[], **DEEP, **counts_of([]))
    page, text = await report(folder), await markdown(folder)
    assert not page.charts
    for said in (page.text, text):
        assert "There are no repositories." in said
        assert said.count("There are no images.") == 2
        assert "No problem was found." in said
        assert "--depth" not in said


async def test_report_of_a_snapshot_that_is_not_there(command, publish):
    ended = await command("report", "nowhere", "--output", publish().parents[2])
    assert (ended.code, ended.out) == (1, "")
    assert "no folder, run or target is named nowhere" in ended.complaint


async def test_report_without_pygal_says_how_to_get_it_and_goes_on_in_markdown(command, publish, tmp_path):
    folder = publish()
    (tmp_path / "without" / "pygal").mkdir(parents=True)
    missing = "raise ModuleNotFoundError(\"No module named 'pygal'\", name='pygal')\n"
    (tmp_path / "without" / "pygal" / "__init__.py").write_text(missing, encoding="utf-8")
    environment = {"PYTHONPATH": str(tmp_path / "without")}
    ended = await command("report", folder, environment=environment)
    message = "the page's charts need pygal: pip install 'registry-crawler[report]', or use --format markdown"
    assert (ended.code, ended.out, ended.complaint) == (2, "", message)
    ended = await command("report", folder, "--format", "markdown", environment=environment)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("# registry.example.com\n")
