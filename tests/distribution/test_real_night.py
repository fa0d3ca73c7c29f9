"""The whole life of a night's crawl on a real registry: from a first configuration to what is pruned."""

import json

import pytest
from support.distribution import Htpasswd, TokenPolicy, open_registry, push, requires_docker_registry
from support.prometheus import samples
from support.snapshots import folders

pytestmark = [requires_docker_registry, pytest.mark.timeout(240)]

STORED = {"team/app": ["1.0", "2.0"], "team/base": ["1"], "team/tool": ["latest"]}
CONFIG = ("--config", "config.toml")
PLAIN = {"REGISTRY_CRAWLER_REGISTRY__PLAIN_HTTP": "true"}


async def test_night_from_the_first_configuration_to_retention(tmp_path, command):
    """init, doctor, plan, two crawls with a change between, diff, report, runs and prune, with token authentication."""
    (command.folder / "password.txt").write_text(f"{Htpasswd().password}\n")
    (command.folder / "lake").mkdir()
    lake = f"file://{command.folder}/lake"

    async def run(*arguments: object, code: int = 0) -> str:
        ended = await command(*arguments, environment=PLAIN)
        assert ended.code == code, ended.err
        return ended.out

    async with open_registry(tmp_path / "registry", auth=TokenPolicy()) as registry:
        await push(registry, STORED)
        login = ("--username", "reader", "--password-file", "password.txt")
        await run("init", "--target", registry.host, *login)
        doctor = json.loads(await run("doctor", *CONFIG, "--lake", lake, "--depth", "configs", "--format", "json"))
        assert (doctor["would_run"], {step["state"] for step in doctor["steps"]} - {"ok", "skipped"}) == (True, set())

        night = (*CONFIG, "--depth", "configs", "--referrers", "listed", "--resume", "--no-progress")
        after = ("--metrics", "registry.prom", "--lake", lake)
        plan = json.loads(await run("plan", *CONFIG, "--depth", "configs", "--referrers", "listed", "--format", "json"))
        await run("crawl", *night, *after)
        await push(registry, {"team/app": ["3.0"]})
        await run("crawl", *night, *after)

    first, second = folders(command.folder / "snapshots")
    cost = json.loads((first / "_run.json").read_bytes())["requests"]["by_kind"]
    assert plan["exchanges"]["by_kind"] == {kind: count for kind, count in cost.items() if count}
    changes = json.loads(await run("diff", "--format", "json", "--fail-on", "removed,moved"))["changes"]
    assert [(change["kind"], change["repository"], change["tag"]) for change in changes] == [
        ("tag-added", "team/app", "3.0")
    ]
    assert len(list((command.folder / "lake" / "_runs").iterdir())) == 2
    metrics = samples((command.folder / "registry.prom").read_text(encoding="utf-8"))
    assert metrics[f'registry_crawler_change{{of="tags",target="{registry.host}"}}'] == 1
    assert "tag-added" in await run("report", "--format", "markdown")
    assert [row["state"] for row in json.loads(await run("runs", "--format", "json"))] == ["complete", "complete"]
    keep_one = ("--keep-daily", "1", "--keep-weekly", "0", "--keep-monthly", "0")
    await run("runs", "prune", *keep_one, "--lake", lake)
    assert folders(command.folder / "snapshots") == [second]
    marker = second.name.removeprefix("run=")
    assert [path.stem for path in (command.folder / "lake" / "_runs").iterdir()] == [marker]
    assert {path.parent.name for path in (command.folder / "lake").rglob("part-*")} == {second.name}
