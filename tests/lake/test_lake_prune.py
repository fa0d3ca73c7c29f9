"""`registry-crawler runs prune --lake` as an operator runs it: which runs of a lake go, which stay, what is said."""

import json

import polars as pl
import pytest
from deltalake import DeltaTable
from support.filled_lakes import LAST_ONLY, data_of, files_of, publish_all
from support.lake_views import latest

from crawler.tables.definitions import tables

TARGET = "registry.example.com"
OTHER = "gcr.io/other"


@pytest.fixture
def folder_lake(tmp_path):
    """Without a space: polars writes one as %20, and looks for that in the folder of a Delta table."""
    return tmp_path / "lake"


@pytest.fixture
def filled(publish, folder_lake, tmp_path):
    """Publishes three runs of a target, and two of another one, the newer partial; returns their ids."""

    def fill(form="parquet"):
        folders = [publish(f"2026-11-{day}", records=[]) for day in (18, 19)]
        folders.append(publish("2026-11-20"))
        folders += [publish("2026-11-19", target=OTHER), publish("2026-11-21", target=OTHER, verdict="partial")]
        return publish_all(f"file://{folder_lake}", form, folders, tmp_path / "scratch")

    return fill


def prune(folder_lake, *more):
    """Arguments that prune a lake alone: there is no output folder."""
    return ("runs", "prune", *LAST_ONLY, "--output", "none", "--lake", f"file://{folder_lake}", *more)


def lines(ended):
    return [line.removeprefix("registry-crawler: ") for line in ended.err.splitlines()]


@pytest.mark.parametrize("form", ["parquet", "jsonl", "delta"])
async def test_lake_prune_removes_old_runs_of_each_target_and_says_what_it_frees(command, filled, folder_lake, form):
    oldest, older, newest, *others = filled(form)
    before = files_of(folder_lake)
    dry = await command(*prune(folder_lake, "--dry-run"))
    assert files_of(folder_lake) == before
    ended = await command(*prune(folder_lake))
    assert (dry.code, ended.code, ended.out) == (0, 0, "")
    sizes = {run: sum(len(before[name]) for name in data_of(before, run)) for run in (oldest, older)}
    url = f"file://{folder_lake}"
    texts = [f"{size / 1000:.3g} kB" for size in (sizes[older], sizes[oldest], sum(sizes.values()))]
    assert lines(ended) == [
        "there are no snapshots in none",
        f"{OTHER} in {url}: 2 snapshots kept (2026-11-19 to 2026-11-21); 0 dropped, 0 bytes freed",
        f"{TARGET} in {url}: run {older} (complete, {texts[0]}) dropped",
        f"{TARGET} in {url}: run {oldest} (complete, {texts[1]}) dropped",
        f"{TARGET} in {url}: 1 snapshot kept (2026-11-20); 2 dropped, {texts[2]} freed",
    ]
    assert [line.replace("would be ", "") for line in lines(dry)] == lines(ended)
    after = files_of(folder_lake)
    gone = [*data_of(before, oldest), *data_of(before, older)]
    assert len(gone) == 2 * (len(tables()) + 1)
    logs = {name for name in after if "_delta_log/" in name}
    assert {name: content for name, content in after.items() if name not in logs} == {
        name: content for name, content in before.items() if name not in logs and name not in gone
    }
    assert not list(folder_lake.rglob("date=2026-11-18"))
    kept = {newest, *others}
    if form == "delta":
        assert {run for name in tables() for run in pl.read_delta(str(folder_lake / name))["run"]} == kept
    else:
        assert len(latest(folder_lake, "repository", "repositories", form)) == 12


async def test_lake_prune_goes_by_the_runs_of_the_lake_alone(command, publish, folder_lake, tmp_path):
    """The newest complete run of the lake stays, though the output folder has a newer one."""
    old, partial = publish("2026-11-18"), publish("2026-11-19", verdict="partial")
    publish_all(f"file://{folder_lake}", "parquet", [old, partial], tmp_path / "scratch")
    publish("2026-11-20")
    before = files_of(folder_lake)
    ended = await command("runs", "prune", *LAST_ONLY, "--lake", f"file://{folder_lake}")
    assert ended.code == 0
    assert files_of(folder_lake) == before
    assert len(list(tmp_path.glob("snapshots/source=*/date=*/run=*"))) == 1


async def test_prune_without_the_option_leaves_the_lake_of_the_configuration(command, filled, folder_lake, tmp_path):
    filled()
    (tmp_path / "config.toml").write_text(f'[lake]\nurl = "file://{folder_lake}"\n')
    before = files_of(folder_lake)
    ended = await command("runs", "prune", *LAST_ONLY, "--config", "config.toml")
    assert ended.code == 0
    assert files_of(folder_lake) == before
    assert "lake" not in ended.err


async def test_lake_prune_of_a_target_leaves_the_others(command, publish, filled, folder_lake, tmp_path):
    filled()
    publish_all(f"file://{folder_lake}", "parquet", [publish("2026-11-23", target=OTHER)], tmp_path / "scratch")
    before = files_of(folder_lake)
    unknown = await command(*prune(folder_lake, "gcr.io/typo"))
    assert (unknown.code, files_of(folder_lake)) == (2, before)
    there_are = f"there are: {OTHER}, {TARGET}"
    assert unknown.complaint == f"there is no snapshot of gcr.io/typo in none and in file://{folder_lake}; {there_are}"
    ended = await command(*prune(folder_lake, OTHER))
    assert ended.code == 0
    assert TARGET not in ended.err
    gone = [name for name in before if name not in files_of(folder_lake)]
    assert len(gone) == 2 * (len(tables()) + 1)


async def test_lake_prune_removes_nothing_that_is_not_a_runs_own(command, filled, folder_lake):
    oldest, older, *_ = filled()
    marker = json.loads((folder_lake / f"_runs/{older}.json").read_bytes())
    marker["lake"]["objects"][0]["name"] = "../snapshots/precious"
    (folder_lake / f"_runs/{older}.json").write_text(json.dumps(marker))
    (folder_lake / "_runs/copy.json").write_bytes((folder_lake / f"_runs/{oldest}.json").read_bytes())
    (folder_lake / "_runs/broken.json").write_text('{"target": "\\u001b[31m"}')
    (folder_lake / "_runs/notes.txt").write_text("ours")
    (folder_lake / f"images/date=2026-11-18/run={oldest}/notes.txt").write_text("ours")
    (folder_lake / "images/notes.txt").write_text("ours")
    before = files_of(folder_lake)
    ended = await command(*prune(folder_lake))
    assert ended.code == 0
    url = f"file://{folder_lake}"
    assert lines(ended)[1:4] == [
        f"{url}: _runs/{older}.json is left, and its run: it names objects that are not this run's",
        f"{url}: _runs/broken.json is left, and its run: not a run's marker: KeyError",
        f"{url}: _runs/copy.json is left, and its run: it is the marker of another run",
    ]
    gone = {name for name in before if name not in files_of(folder_lake)}
    assert gone == {f"{name}/date=2026-11-18/run={oldest}/part-00000.parquet" for name in tables()} | {
        f"_runs/{oldest}.json"
    }


async def test_lake_prune_names_runs_that_were_not_published_to_the_end(command, filled, folder_lake):
    oldest, *_, newest = filled()
    for run in (oldest, newest):
        (folder_lake / f"_runs/{run}.json").unlink()
    before = files_of(folder_lake)
    ended = await command(*prune(folder_lake))
    assert ended.code == 0
    assert lines(ended)[1] == (
        f"file://{folder_lake}: 2 unfinished runs are left: {oldest}, {newest}; `registry-crawler publish RUN_ID` "
        "completes a run, unless it is just being published"
    )
    after = files_of(folder_lake)
    for run in (oldest, newest):
        assert data_of(after, run) == data_of(before, run) != []


@pytest.mark.parametrize("form", ["parquet", "delta"])
async def test_half_removed_run_is_published_again_only_after_it_is_removed(command, filled, folder_lake, form):
    """What a killed prune leaves; the rules of the next one would keep the run."""
    oldest, *_ = filled(form)
    if form == "delta":
        DeltaTable(folder_lake / "runs").delete(f"run = '{oldest}'")
    else:
        (folder_lake / f"runs/date=2026-11-18/run={oldest}/part-00000.parquet").unlink()
    environment = {"REGISTRY_CRAWLER_LAKE__FORMAT": form}
    publish = ("publish", oldest, "--lake", f"file://{folder_lake}")
    half = await command(*publish, environment=environment)
    assert half.code == 1
    assert f"run {oldest} is half removed, _runs/{oldest}.json is there" in half.complaint
    assert f"let `registry-crawler runs prune --lake file://{folder_lake}` finish first" in half.complaint
    ended = await command("runs", "prune", "--output", "none", "--lake", f"file://{folder_lake}")
    assert ended.code == 0
    assert data_of(files_of(folder_lake), oldest) == []
    assert "2 snapshots kept (2026-11-19 to 2026-11-20); 1 dropped" in lines(ended)[-1]
    again = await command(*publish, environment=environment)
    assert "published 8 tables" in again.complaint
    if form == "delta":
        assert oldest in set(pl.read_delta(str(folder_lake / "runs"))["run"])


async def test_lake_prune_of_delta_tables_heeds_files_that_an_optimisation_wrote(command, filled, folder_lake):
    """The log has other files than those that were published; the newest run is not taken for half removed."""
    oldest, older, newest, *others = filled("delta")
    for name in tables():
        DeltaTable(folder_lake / name).optimize.z_order(["run_id"])
    (optimised,) = folder_lake.glob(f"runs/date=2026-11-18/run={oldest}/*.zstd.parquet")
    ended = await command(*prune(folder_lake))
    assert ended.code == 0
    assert not optimised.exists()
    assert set(pl.read_delta(str(folder_lake / "runs"))["run"]) == {newest, *others}
    assert pl.read_delta(str(folder_lake / "repositories")).height == 18
    assert f"run {older} (complete" in ended.err


async def test_lake_prune_logs_an_event_for_each_target(command, filled, folder_lake):
    oldest, older, newest, *_ = filled()
    ended = await command(*prune(folder_lake, TARGET, "--dry-run", "--log-format", "json"))
    events = [event for event in map(json.loads, ended.err.splitlines()) if event["event"] == "pruned"]
    (event,) = events
    assert (event["target"], event["lake"], event["dry_run"]) == (TARGET, f"file://{folder_lake}", True)
    assert (event["kept"], event["dropped"], event["bytes_freed"] > 1000) == ([newest], [older, oldest], True)


async def test_lake_that_fails_keeps_no_snapshot_from_being_removed(command, publish, dead_port, tmp_path):
    publish("2026-11-19")
    newest = publish("2026-11-20")
    environment = {
        "AWS_ACCESS_KEY_ID": "AKIAOFTESTS",
        "AWS_SECRET_ACCESS_KEY": "not-to-be-printed",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{dead_port}",
    }
    ended = await command("runs", "prune", *LAST_ONLY, "--lake", "s3://lake/x", environment=environment)
    assert ended.code == 1
    assert lines(ended)[0].startswith("s3://lake/x: cannot list _runs: ")
    assert lines(ended)[0].endswith("; nothing is removed from the lake")
    assert "not-to-be-printed" not in ended.err
    assert list(tmp_path.glob("snapshots/source=*/date=*/run=*")) == [newest]


@pytest.mark.parametrize("url", ["ftp://lake", "s3://user:secret@lake/x"])
async def test_lake_prune_of_a_url_that_is_no_lakes_is_bad_usage(command, publish, url, tmp_path):
    publish()
    ended = await command("runs", "prune", *LAST_ONLY, "--lake", url)
    assert (ended.code, "secret" in ended.err) == (2, False)
    assert ended.complaint.startswith("--lake: ")
