"""Files that a configuration names: home folders, files that cannot be read, byte order marks and newlines."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from support.config_errors import PREFIX, SECRET, config_error, config_errors
from support.scripted import document, on, refusal, serve
from support.snapshots import read_snapshot

from crawler.auth.service_account_key import json_key_credential
from crawler.config import Config, Flag
from crawler.errors import CredentialsError
from crawler.run.credentials import resolve_credentials
from crawler.transport.outage import OutageDetector

BOM = "\ufeff"


@pytest.fixture(autouse=True)
def _clean(tmp_path, monkeypatch):
    """Run in an empty folder, without the crawler's variables."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.upper().startswith(PREFIX):
            monkeypatch.delenv(name)


async def test_environment_errors_reach_the_command_line(command):
    wrong = await command("crawl", "localhost:1", environment={f"{PREFIX}LIMITS__RAET": "1/s"})
    discard = await command("runs", "discard", "x", environment={f"{PREFIX}OUTPUT_PATH": "x"})
    assert (wrong.code, wrong.complaint) == (
        2,
        f"{PREFIX}LIMITS__RAET: unknown variable; did you mean {PREFIX}LIMITS__RATE?",
    )
    assert (discard.code, discard.complaint) == (
        2,
        f"{PREFIX}OUTPUT_PATH: unknown variable; did you mean {PREFIX}OUTPUT__PATH?",
    )


# Home folders


PATHS = {
    "output.path": "~/a",
    "registry.auth.key_file": "~/a",
    "registry.auth.password_file": "~/a",
    "registry.repositories_from": "~/a",
    "registry.ca_file": "~/a",
    "registry.client_certificate": "~/a",
    "registry.client_key": "~/a",
}


@pytest.mark.parametrize("key", PATHS)
def test_home_folder_is_expanded_wherever_a_path_is_given(tmp_path, monkeypatch, key):
    home = tmp_path / "home"
    home.mkdir()
    (home / "a").touch()
    monkeypatch.setenv("HOME", str(home))
    beside = {
        "registry.auth.password_file": 'username = "reader"\n',
        "registry.client_key": 'client_certificate = "~/a"\n',
    }.get(key, "")
    table, _, name = key.rpartition(".")
    more = [Flag("--u", "registry.auth.username", "reader")] if "password" in key else []
    more += [Flag("--c", "registry.client_certificate", Path("~/a"))] if "client_key" in key else []
    file = tmp_path / "config.toml"
    header = "" if table == "registry" else f"[{table}]\n"
    file.write_text(f'[registry]\ntarget = "localhost:5000"\n{header}{beside}{name} = "~/a"\n')

    def read(config: Config) -> Path:
        value: Any = config.registry[0] if table.startswith("registry") else config.output
        return getattr(value.auth if table.endswith("auth") else value, name)

    assert read(Config.load(file)) == home / "a"
    for path in ("~/a", Path("~/a")):
        flags = [*more, Flag("--flag", key, path)]
        assert read(Config.load(targets=["localhost:5000"], flags=flags)) == home / "a"


def test_home_folder_is_expanded_for_the_configuration_itself(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "config.toml").write_text("limits.concurrency = 7")
    for file in ("~/config.toml", Path("~/config.toml")):
        assert Config.load(file, targets=["localhost:5000"]).limits.concurrency == 7


# Files that are named


NAMED = {
    "--key-file": "registry.auth.key_file",
    "--password-file": "registry.auth.password_file",
    "--ca-file": "registry.ca_file",
    "--repositories-from": "registry.repositories_from",
}


@pytest.mark.parametrize(("flag", "key"), NAMED.items())
async def test_named_file_that_cannot_be_read_is_bad_usage(command, flag, key):
    (command.folder / "folder").mkdir()
    crawl = ("crawl", "localhost:1", *(("--username", "reader") if flag == "--password-file" else ()))
    missing, folder = await asyncio.gather(command(*crawl, flag, "none"), command(*crawl, flag, "folder"))
    assert [(ended.code, ended.out) for ended in (missing, folder)] == [(2, "")] * 2
    assert missing.complaint == f"{flag}: {key}: none: cannot be read: No such file or directory"
    assert folder.complaint == f"{flag}: {key}: folder: cannot be read: Is a directory"


def test_named_file_that_cannot_be_read_has_its_line_or_variable(tmp_path, monkeypatch):
    (tmp_path / "loop").symlink_to("loop")
    file = tmp_path / "config.toml"
    file.write_text(
        'registry.target = "localhost:5000"\nregistry.client_certificate = "none.pem"\nregistry.client_key = "loop"\n'
    )
    monkeypatch.setenv(f"{PREFIX}REGISTRY__CA_FILE", str(tmp_path))
    assert set(config_errors(file)) == {
        f"{file}:2: registry.client_certificate: none.pem: cannot be read: No such file or directory",
        f"{file}:3: registry.client_key: loop: cannot be read: Too many levels of symbolic links",
        f"{PREFIX}REGISTRY__CA_FILE: registry.ca_file: {tmp_path}: cannot be read: Is a directory",
    }


def test_named_file_of_several_registries_is_one_error(tmp_path):
    flag = Flag("--ca-file", "registry.ca_file", Path("none.pem"))
    assert config_error(targets=["one.example.com", "two.example.com"], flags=[flag]).startswith("--ca-file: ")


def test_named_files_are_not_opened_for_a_configuration_made_in_code():
    assert Config(registry=[{"target": "gcr.io", "ca_file": "none.pem"}]).registry[0].ca_file == Path("none.pem")


async def test_named_file_may_be_a_pipe(command):
    """As a shell passes it with `--password-file <(some command)`. A file that is opened twice would be empty."""
    os.mkfifo(command.folder / "pipe")
    async with command.started(
        "crawl", "localhost:1", "--username", "reader", "--password-file", "pipe",
        environment={f"{PREFIX}LIMITS__ATTEMPTS": "1"},
    ) as process:  # fmt: skip
        await asyncio.to_thread((command.folder / "pipe").write_text, SECRET)
        _, err = await process.communicate()
    assert process.returncode == 1
    assert err.decode().startswith("registry-crawler: localhost:1: ")
    assert "password" not in err.decode()


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_path_that_is_invalid_is_an_error(path):
    for key in PATHS:
        errors = config_errors(targets=["localhost:5000"], flags=[Flag("--flag", key, path)])
        assert any(line.startswith(f"--flag: {key}: ") for line in errors)


# Marks that editors and shells leave


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_bom_before_a_configuration_is_dropped(tmp_path, end):
    file = tmp_path / "config.toml"
    file.write_bytes(f"{BOM}[limits]{end or chr(10)}concurrency = 7{end}".encode())
    assert Config.load(file, targets=["localhost:5000"]).limits.concurrency == 7
    file.write_bytes(f"{BOM}[limits]\nconcurrency = 0{end}".encode())
    assert config_error(file, targets=["localhost:5000"]).startswith(f"{file}:2: limits.concurrency: ")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_configuration_in_utf_16_is_one_error(tmp_path, encoding):
    file = tmp_path / "config.toml"
    file.write_bytes("limits.concurrency = 7\n".encode(encoding))
    assert config_error(file) == f"{file}: is UTF-16: save it as UTF-8, as TOML must be"


@pytest.mark.parametrize("text", ["[" * 100_000, "a = " + "[" * 100_000])
def test_configuration_that_is_nested_too_deep_is_one_error(tmp_path, text):
    file = tmp_path / "config.toml"
    file.write_text(text)
    assert config_error(file).startswith(f"{file}: ")


def test_configuration_with_a_number_that_python_cannot_read_is_one_error(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text("limits.concurrency = " + "9" * 5000)
    assert config_error(file) == f"{file}: holds a number of too many digits"


async def resolved_password(auth: dict[str, Any]) -> str:
    flags = [Flag("--flag", f"registry.auth.{key}", value) for key, value in auth.items()]
    config = Config.load(targets=["localhost:5000"], flags=flags)
    user = await (await resolve_credentials(config.registry[0], OutageDetector(300))).credentials.get()
    return user.password


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", BOM])
async def test_password_loses_a_bom_and_the_last_newline(tmp_path, bom, end):
    (tmp_path / "password.txt").write_bytes(f"{bom}{SECRET}{end}".encode())
    assert await resolved_password({"username": "reader", "password_file": "password.txt"}) == SECRET
    assert await resolved_password({"username": "reader", "password": f"{bom}{SECRET}{end}"}) == SECRET


@pytest.mark.parametrize("text", ["", "\n", BOM])
async def test_password_that_is_empty_is_refused(tmp_path, text):
    (tmp_path / "password.txt").write_text(text)
    with pytest.raises(CredentialsError, match=r"^password\.txt: the password file is empty$"):
        await resolved_password({"username": "reader", "password_file": "password.txt"})
    flags = [
        Flag("--username", "registry.auth.username", "a"),
        Flag("--password-stdin", "registry.auth.password", text),
    ]
    error = config_error(targets=["localhost:5000"], flags=flags)
    assert error == "--password-stdin: registry.auth.password: must be a password, not empty"


async def test_password_from_standard_input_loses_a_bom(command):
    wanted = "Basic cmVhZGVyOmh1bnRlcjItYW5kLW1vcmU="
    challenge = ("WWW-Authenticate", 'Basic realm="x"')
    async with serve([on("/v2/", refusal(401, "UNAUTHORIZED", "who?", challenge))]) as server:
        await command(
            "crawl", server.host, "--username", "reader", "--password-stdin", stdin=f"{BOM}{SECRET}\r\n",
            environment={f"{PREFIX}LIMITS__ATTEMPTS": "1"},
        )  # fmt: skip
    assert wanted in server.authorizations


def test_key_file_may_begin_with_a_bom(tmp_path):
    (tmp_path / "key.json").write_text(f'{BOM}{{"type": "service_account"}}\r\n', encoding="utf-8")
    assert json_key_credential(tmp_path / "key.json").password == '{"type":"service_account"}'


async def test_docker_login_may_begin_with_a_bom(tmp_path, monkeypatch):
    login = '{"auths": {"localhost:5000": {"auth": "YTpi"}}}'
    (tmp_path / "config.json").write_text(BOM + login, encoding="utf-8")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.delenv("REGISTRY_AUTH_FILE", raising=False)
    assert await resolved_password({"method": "docker-config"}) == "b"


async def test_list_of_names_may_begin_with_a_bom(command):
    listing = document({"name": "team/app", "tags": ["1"]})
    async with serve([on("/v2/", document({})), on("/v2/team/app/tags/list", listing)]) as server:
        (command.folder / "names.txt").write_text(f"{BOM}team/app\r\n", encoding="utf-8")
        crawl = ("crawl", server.host, "--repositories-from")
        ends = [
            await command(*crawl, "names.txt", "--output", "file"),
            await command(*crawl, "-", "--output", "stdin", stdin=f"{BOM}team/app\r\n"),
        ]
    assert [ended.code for ended in ends] == [0, 0]
    for output in ("file", "stdin"):
        assert read_snapshot(command.folder / output).outcomes == {"team/app": "ok"}


# In whose words
