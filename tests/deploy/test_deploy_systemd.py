"""`registry-crawler deploy systemd`: what is installed, and what systemd says of it."""

import asyncio
import os
import shlex
import stat
import tomllib
from asyncio.subprocess import PIPE, STDOUT

import pytest
from support.deploy_folders import HOSTILE_CONFIG, Folders, google_config, hostile_config
from support.fronts import requires
from support.snapshots import read_snapshot

needs_systemd = requires("systemd-analyze", "systemd")

PROGRAM = ("--program", "/bin/true")
"""A program that systemd finds, for `verify`. This venv may be in a folder that the service does not see."""


async def run(*words, stdin=b"", **environment):
    process = await asyncio.create_subprocess_exec(
        *map(str, words), env={**os.environ, **environment}, stdin=PIPE, stdout=PIPE, stderr=STDOUT
    )
    printed, _ = await process.communicate(stdin)
    return process.returncode, printed.decode()


async def install(tmp_path, script):
    """Run the script as a package's build does: everything lands below a folder, and nothing is started."""
    assert await run("/bin/sh", stdin=script.encode(), DESTDIR=str(tmp_path / "root")) == (0, "")
    return tmp_path / "root"


def words_of(unit, section):
    """The settings of a section, a list for each name."""
    found = [line.partition("=") for line in unit.partition(f"[{section}]")[2].partition("\n[")[0].splitlines()]
    names = {name for name, equals, _ in found if equals and not name.startswith("#")}
    return {name: [value for each, _, value in found if each == name] for name in names}


@needs_systemd
@pytest.mark.parametrize("options", [(), ("--name", "nightly", "--textfile", "/var/lib/metrics/it's 1%.prom")])
async def test_systemd_verifies_the_units(command, tmp_path, options):
    environment = {"REGISTRY_CRAWLER_REGISTRY__EXCLUDE": "a\"b'%n$HOME\\d é\n*", "REGISTRY_CRAWLER_PASSWORD": ""}
    ended = await command(
        "deploy", "systemd", "--config", hostile_config(tmp_path), *PROGRAM, *options, environment=environment
    )
    assert ended.code == 0, ended.err
    units = (await install(tmp_path, ended.out)) / "etc" / "systemd" / "system"
    assert {path.suffix for path in units.iterdir()} == {".service", ".timer"}
    assert await run("systemd-analyze", "verify", "--man=no", *units.iterdir()) == (0, "")


@needs_systemd
async def test_systemd_sandbox_is_rated_well(command, tmp_path):
    """As `systemd-analyze security` does: 0 is no exposure, 10 none at all; below 2 is rated OK."""
    ended = await command("deploy", "systemd", "--config", hostile_config(tmp_path), *PROGRAM)
    units = (await install(tmp_path, ended.out)) / "etc" / "systemd" / "system"
    code, printed = await run(
        "systemd-analyze", "security", "--offline=true", "--threshold=20", units / "registry-crawler.service"
    )
    assert code == 0, printed


@needs_systemd
async def test_systemd_timer_has_the_schedule(command, tmp_path):
    config, schedule = hostile_config(tmp_path), "Mon..Fri *-*-1/2 03:00"
    ended = await command("deploy", "systemd", "--config", config, *PROGRAM, "--schedule", schedule)
    (line,) = (line for line in ended.out.splitlines() if line.startswith("OnCalendar="))
    assert (await run("systemd-analyze", "calendar", line.removeprefix("OnCalendar=")))[0] == 0
    assert line.endswith(schedule)


async def test_systemd_installs_secrets_for_root_alone(command, tmp_path):
    ended = await command("deploy", "systemd", "--config", hostile_config(tmp_path), *PROGRAM)
    root = await install(tmp_path, ended.out)
    credentials = root / "etc" / "registry-crawler" / "credentials"
    assert stat.S_IMODE(credentials.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in credentials.iterdir()} == {0o600}
    assert {path.read_text() for path in credentials.iterdir()} == {"the password", "certificates"}
    config = tomllib.loads((root / "etc" / "registry-crawler" / "config.toml").read_text())
    service = words_of((root / "etc/systemd/system/registry-crawler.service").read_text(), "Service")
    names = {line.partition(":")[0] for line in service["LoadCredential"]}
    named = {config["registry"][0]["auth"].pop("password_file"), config["registry"][1].pop("ca_file")}
    assert named == {f"/run/credentials/registry-crawler.service/{name}" for name in names}
    assert names == {path.name for path in credentials.iterdir()}
    written = tomllib.loads(HOSTILE_CONFIG)
    del written["registry"][0]["auth"]["password_file"], written["registry"][1]["ca_file"]
    assert config == written
    assert "the password" not in ended.out + ended.err


async def test_systemd_service_takes_a_snapshot(command, google, tmp_path):
    registry = await google(repositories=10)
    ended = await command(
        "deploy", "systemd", "--config", google_config(tmp_path, registry), "--textfile", "/run/x.prom"
    )
    root, folders = await install(tmp_path, ended.out), Folders(tmp_path / "machine")
    service = words_of((root / "etc/systemd/system/registry-crawler.service").read_text(), "Service")
    folders.write("/etc/registry-crawler/config.toml", (root / "etc/registry-crawler/config.toml").read_bytes())
    for line in service["LoadCredential"]:
        name, _, path = line.partition(":")
        content = (root / path.lstrip("/")).read_bytes()
        folders.write(f"/run/credentials/registry-crawler.service/{name}", content)
    (state,) = service["StateDirectory"]
    (start,), (after,) = service["ExecStart"], service["ExecStopPost"]
    program, *arguments = shlex.split(start)
    assert program == "/usr/local/bin/registry-crawler"
    crawled = await folders.crawl(command, arguments, {})
    assert crawled.code == 0, crawled.err
    assert read_snapshot(tmp_path / "machine" / "var" / "lib" / state / "snapshots").has_success
    measured = await folders.crawl(command, shlex.split(after)[1:], {})
    assert (measured.code, measured.err) == (0, "")
    assert "registry_crawler_last_complete_timestamp_seconds" in (tmp_path / "machine" / "run" / "x.prom").read_text()


async def test_systemd_shows_a_partial_snapshot_and_does_not_retry_it(command, tmp_path):
    ended = await command("deploy", "systemd", "--config", hostile_config(tmp_path), *PROGRAM)
    service = words_of(ended.out, "Service")
    assert service["RestartPreventExitStatus"] == ["2 3"]
    assert service["SuccessExitStatus"] == ["143"]
    assert service["Restart"] == ["on-failure"]


async def test_systemd_password_of_a_variable_has_a_file(command, tmp_path):
    (tmp_path / "config.toml").write_text('[[registry]]\ntarget = "localhost:5000"\nauth.username = "bob"\n')
    ended = await command(
        "deploy", "systemd", "--config", "config.toml", environment={"REGISTRY_CRAWLER_PASSWORD": "hunter2"}
    )
    assert words_of(ended.out, "Service")["EnvironmentFile"] == ["/etc/registry-crawler/environment"]
    assert "REGISTRY_CRAWLER_PASSWORD=… into /etc/registry-crawler/environment" in ended.err
    assert "hunter2" not in ended.out + ended.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--program", "registry-crawler"], "--program: must be an absolute path (got 'registry-crawler')"),
        (["--program", "/home/me/bin/x"], "--program: /home/me/bin/x is hidden from the service"),
        (["--schedule", "02:15\nExecStart=/bin/sh"], r"--schedule: must be as OnCalendar= has it"),
        (["--textfile", "metrics.prom"], "--textfile: must be an absolute path (got 'metrics.prom')"),
        (["--name", "a/b"], "--name: must be at most 48 lower-case letters"),
    ],
)
async def test_systemd_refuses_options_that_no_unit_can_have(command, tmp_path, options, message):
    (tmp_path / "config.toml").write_text('registry.target = "localhost:5000"')
    ended = await command("deploy", "systemd", "--config", "config.toml", *options)
    assert (ended.code, ended.out) == (2, "")
    assert ended.complaint.startswith(message)


async def test_systemd_refuses_a_link_into_a_folder_that_is_hidden(command, tmp_path):
    (tmp_path / "config.toml").write_text('registry.target = "localhost:5000"')
    link = f"/proc/self/root/{tmp_path}/link"  # the same file, by a path that is not below /tmp
    (tmp_path / "link").symlink_to("/root/.venv/bin/registry-crawler")
    ended = await command("deploy", "systemd", "--config", "config.toml", "--program", link)
    assert (ended.code, ended.out) == (2, "")
    assert ended.complaint.endswith(
        "is hidden from the service: install it in /opt: python3 -m venv /opt/registry-crawler"
    )
