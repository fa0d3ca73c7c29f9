"""doctor as its user meets it: a healthy registry, what it prints, exit codes, several targets, and what it keeps."""

import json
import re

import pytest
from support.distribution import open_registry, push, requires_docker_registry
from support.distribution.registry import Htpasswd
from support.doctor_runs import diagnose
from support.run_cli import SCRIPT, assert_plain
from support.scripted import basic_registry, catalog_path, html, listing_path, on, plain_registry, refusal, serve
from support.scripted_images import config as image_config
from support.scripted_images import image, manifests, unchanged
from support.toml_text import toml_value

from crawler.doctor.checkup import MACHINE_STEPS, REGISTRY_STEPS

DEEP = ("--depth", "configs", "--referrers", "api")


async def test_doctor_of_a_healthy_registry_finds_nothing_amiss(command):
    async with serve(plain_registry()) as server:
        found = await diagnose(command, server.host)
    assert (found.code, found.amiss) == (0, {})
    assert (found.document["state"], found.document["would_run"]) == ("ok", True)
    assert found.found("names") == "from catalog: alpha, team/victim, zulu"
    assert found.found("listing") == "alpha has tags: 2"


async def test_doctor_asks_little_and_lists_nothing_but_one_repository(command):
    names = {f"r{number:02}": ("1",) for number in range(40)}
    async with serve(plain_registry(names)) as server:
        await diagnose(command, server.host)
    listed = [path for path in server.paths if path.endswith("/tags/list")]
    assert (len(server.paths), listed) == (5, [listing_path("r00")])


@requires_docker_registry
async def test_doctor_of_the_real_distribution_finds_nothing_amiss_but_referrers(command, tmp_path):
    async with open_registry(tmp_path / "registry", auth=Htpasswd()) as registry:
        await push(registry, {"team/app": ["1.0"]})
        password = tmp_path / "password"
        password.write_text(registry.password)
        login = ("--username", registry.user, "--password-file", password, "--depth", "configs")
        found = await diagnose(command, registry.host, *login)
        with_referrers = await diagnose(command, registry.host, *login, "--referrers", "api")
    assert (found.code, found.amiss) == (0, {})
    assert found.found("credentials") == f"basic: {registry.user}, of the password file {password}"
    assert found.state("conditional request") == "ok"
    assert (with_referrers.code, with_referrers.amiss) == (3, {"referrers": "warning"})  # 2.8 has no such API


@pytest.mark.parametrize("method", ["token", "access-token", "json-key"])
async def test_doctor_of_the_emulator_finds_nothing_amiss(method, command, google):
    registry = await google(repositories=20)
    found = await diagnose(
        command, registry.emulator.registry, "--auth", method, "--key-file", registry.key_file, *DEEP
    )
    assert (found.code, found.amiss) == (0, {})
    assert "registry-crawler@my-project.iam.gserviceaccount.com" in found.found("credentials")
    assert str(registry.key_file) in found.found("credentials")


async def test_doctor_names_every_step_in_a_fixed_order(command, dead_port):
    async with serve(plain_registry()) as server:
        healthy = await diagnose(command, server.host)
    dead = await diagnose(command, dead_port)
    assert list(healthy.steps) == list(dead.steps) == [*REGISTRY_STEPS, *MACHINE_STEPS]


async def test_doctor_prints_a_line_for_each_step_and_the_advice_below(command):
    script = [on(catalog_path(), refusal(404, "NAME_UNKNOWN", "no catalog")), *plain_registry()]
    async with serve(script) as server:
        ended = await command("doctor", server.host, program=SCRIPT)
    lines = ended.out.splitlines()
    assert (ended.code, ended.err) == (1, "")
    assert_plain(ended.out)
    assert (lines[0], lines[-1]) == (server.host, f"{server.host}: a crawl would not run")
    (at,) = [number for number, line in enumerate(lines) if line.startswith("  FAIL ")]
    assert re.match(r"  FAIL     names +GET http://", lines[at])
    assert lines[at + 1].strip().startswith("-> ")
    assert "--repositories-from FILE" in lines[at + 1]
    assert re.match(r"  skipped  page size, token for listing, listing, .*needs the step names$", lines[at + 2])


async def test_doctor_examines_every_registry_and_the_worst_counts(command, dead_port):
    async with serve(plain_registry()) as server:
        tables = toml_value([{"target": dead_port}, {"target": server.host}])
        (command.folder / "two.toml").write_text(f"registry = {tables}")
        ended = await command("doctor", "--config", "two.toml", "--format", "json")
    first, second = [json.loads(line) for line in ended.out.splitlines()]
    assert (ended.code, ended.err) == (1, "")
    assert (first["target"], first["state"], first["would_run"]) == (dead_port, "failure", False)
    assert (second["target"], second["state"], second["would_run"]) == (server.host, "ok", True)


async def test_doctor_warns_where_a_crawl_would_be_partial_and_a_crawl_agrees(command):
    script = [on(listing_path(name), refusal(403, "DENIED", "no")) for name in ("alpha", "team/victim", "zulu")]
    async with serve([*script, *plain_registry()]) as server:
        found = await diagnose(command, server.host)
        crawled = await command("crawl", server.host, "--no-progress")
    assert (found.code, crawled.code) == (3, 3)
    assert found.amiss == {"listing": "warning"}
    assert found.advice("listing") == "check the permissions of the account"


async def test_doctor_with_bad_usage_exits_with_2_and_examines_nothing(command):
    ended = await command("doctor", "localhost:1", "--depth", "deep", "--concurrency", "many")
    assert (ended.code, ended.out) == (2, "")
    without_target = await command("doctor")
    assert (without_target.code, without_target.out) == (2, "")


async def test_doctor_takes_every_option_of_crawl(command):
    wide = {"COLUMNS": "200"}
    crawl, doctor = [(await command(name, "--help", environment=wide)).out for name in ("crawl", "doctor")]
    flag = re.compile(r"--[a-z][\w-]*")
    assert set(flag.findall(doctor)) - set(flag.findall(crawl)) == {"--format"}
    assert set(flag.findall(crawl)) <= set(flag.findall(doctor))
    app = image(image_config("base"), "base")
    script = [unchanged("alpha", "1.0", app), *manifests("alpha", {"1.0": app}), *plain_registry()]
    async with serve(script) as server:
        deep = ("--depth", "digests", "--include-tag", "v*", "--rate", "10/s", "--budget", "9", "--cache", "none")
        ended = await command("doctor", server.host, *deep, "--max-shrink", "20%", "--resume", "--no-progress")
    assert (ended.code, ended.err) == (0, "")


async def test_doctor_checks_the_options_as_a_crawl_does(command):
    ended = await command("doctor", "localhost:1", "--rate", "fast", "--max-shrink", "much", "--budget", "none!")
    assert (ended.code, ended.out) == (2, "")
    assert {"--rate", "--max-shrink", "--budget"} <= set(re.findall(r"--[a-z-]+", ended.err))


async def test_doctor_keeps_nothing(command):
    async with serve(plain_registry()) as server:
        await diagnose(command, server.host, "--output", "some/where")
    assert list(command.folder.iterdir()) == []


async def test_doctor_retries_once_and_not_more(command):
    async with serve([on(catalog_path(), html(503), times=1), *plain_registry()]) as server:
        passing = await diagnose(command, server.host)
    async with serve([on(catalog_path(), html(503)), *plain_registry()]) as server:
        lasting = await diagnose(command, server.host)
        assert len(server.asked(catalog_path())) == 2
    assert (passing.code, lasting.code) == (0, 1)
    assert "503" in lasting.found("names")


async def test_doctor_shows_accounts_and_never_secrets(command):
    async with serve([on("/v2/", refusal(401, "UNAUTHORIZED", "no: {authorization}")), *basic_registry()]) as server:
        ended = await command(
            "doctor", server.host, "--username", "robot", "--password-stdin", "-vv", stdin="s3cret-pass\n"
        )
    assert "robot" in ended.out
    assert "s3cret-pass" not in ended.out + ended.err
    assert "cm9ib3Q6czNjcmV0LXBhc3M=" not in ended.out + ended.err  # as Basic sends it
