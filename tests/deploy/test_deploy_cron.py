"""`registry-crawler deploy cron`: a script that cron runs, and the line of the crontab."""

import asyncio
import re
from asyncio.subprocess import DEVNULL, PIPE

from support.deploy_folders import google_config, hostile_config
from support.run_cli import SCRIPT
from support.snapshots import read_snapshot

CRON_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "SHELL": "/bin/sh"}


async def as_cron(line, folder):
    """Run the command of a crontab's line as cron does: `\\%` is a percent sign, and the folder is another one."""
    job_command = line.split(maxsplit=5)[5].replace("\\%", "%")
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", job_command, cwd="/", env={**CRON_ENVIRONMENT, "HOME": str(folder)},
        stdin=DEVNULL, stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


def crontab_line(script):
    (line,) = (line.removeprefix("#   ") for line in script.splitlines() if re.match(r"#   \d", line))
    return line


def save(command, script, name):
    path = command.folder / name
    path.write_text(script)
    path.chmod(0o755)


async def test_cron_prints_nothing_after_a_good_night(command, google, tmp_path):
    google_config(tmp_path, await google(repositories=10))
    name = "it's 100% night.sh"
    ended = await command(
        "deploy", "cron", "--config", "config.toml", "--program", *SCRIPT, "--script", name, "--textfile", "rc.prom"
    )
    assert ended.code == 0, ended.err
    save(command, ended.out, name)
    line = crontab_line(ended.out)
    assert line.startswith("15 2 * * *  '/")
    assert "%" not in line.replace("\\%", "")
    assert line in ended.err
    assert await as_cron(line, tmp_path) == (0, "", "")
    assert read_snapshot(tmp_path / "snapshots").has_success
    assert "registry_crawler_tags" in (tmp_path / "rc.prom").read_text()


async def test_cron_prints_why_a_night_failed(command, tmp_path, dead_port):
    (tmp_path / "config.toml").write_text(f'registry.target = "{dead_port}"')
    environment = {"REGISTRY_CRAWLER_LIMITS__ATTEMPTS": "1"}
    ended = await command("deploy", "cron", "--config", "config.toml", "--program", *SCRIPT, environment=environment)
    save(command, ended.out, "night.sh")
    code, out, err = await as_cron(crontab_line(ended.out), tmp_path)
    assert (code, err) == (1, "")
    assert f"no connection to {dead_port}" in out


async def test_cron_script_keeps_variables_and_is_one_for_every_shell(command, tmp_path):
    value = "a'b\"$HOME`id`\\\n*"
    save(command, '#!/bin/sh\nprintf %s "$REGISTRY_CRAWLER_REGISTRY__EXCLUDE"\nexit 7\n', "it's %.sh")
    config, program = hostile_config(tmp_path), tmp_path / "it's %.sh"
    environment = {"REGISTRY_CRAWLER_REGISTRY__EXCLUDE": value, "REGISTRY_CRAWLER_OUTPUT__PATH": "elsewhere"}
    ended = await command("deploy", "cron", "--config", config, "--program", program, environment=environment)
    save(command, ended.out, "night.sh")
    for shell in ("sh", "bash"):
        process = await asyncio.create_subprocess_exec(shell, tmp_path / "night.sh", stdout=PIPE)
        assert (await process.communicate())[0].decode() == value
        assert process.returncode == 7
    assert "the password" not in ended.out
    assert "export REGISTRY_CRAWLER_OUTPUT__PATH=elsewhere" in ended.out, "nothing is moved, so every variable counts"


async def test_cron_has_no_place_for_a_password(command, tmp_path):
    (tmp_path / "config.toml").write_text('[[registry]]\ntarget = "localhost:5000"\nauth.username = "bob"\n')
    ended = await command(
        "deploy", "cron", "--config", "config.toml", environment={"REGISTRY_CRAWLER_PASSWORD": "hunter2"}
    )
    assert (ended.code, ended.out) == (2, "")
    refused = "REGISTRY_CRAWLER_PASSWORD: cron has no safe place for a variable that is a secret: set its key in "
    assert ended.complaint.startswith(f"{refused}{tmp_path / 'config.toml'}")


async def test_cron_leaves_the_secrets_of_a_configuration_where_they_are(command, tmp_path):
    """The script names the configuration, and prints nothing of it: so a webhook has a place."""
    (tmp_path / "config.toml").write_text(
        'registry.target = "localhost:5000"\nnotify.url = "https://example.com/hunter2"\n'
    )
    ended = await command("deploy", "cron", "--config", "config.toml")
    assert ended.code == 0, ended.err
    assert "hunter2" not in ended.out + ended.err
