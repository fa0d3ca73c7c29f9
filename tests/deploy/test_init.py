"""`registry-crawler init`: a first configuration, from three questions or from flags."""

import stat
import tomllib

import pytest
from support.deploy_dialogue import answer
from support.snapshots import read_snapshot

from crawler.config import Config

TARGET = "Registry, HOST[:PORT][/PREFIX]"


def effective(tmp_path, name="config.toml"):
    """What the file says, as a crawl loads it in that folder."""
    return tomllib.loads((tmp_path / name).read_text())


async def test_init_writes_a_configuration_that_a_crawl_takes(command, google, tmp_path):
    registry = await google(repositories=10)
    written = await command(
        "init", "--target", registry.emulator.registry, "--key-file", registry.key_file, "--output", "nights"
    )
    assert (written.code, written.out) == (0, "")
    assert written.complaint == "config.toml is written; try it: registry-crawler doctor --config config.toml"
    crawled = await command("crawl", "--config", "config.toml", "--no-progress")
    assert crawled.code == 0, crawled.err
    assert read_snapshot(tmp_path / "nights").has_success
    assert stat.S_IMODE((tmp_path / "config.toml").stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("flags", "auth"),
    [
        (["--target", "gcr.io/p"], {"method": "access-token"}),
        (["--target", "gcr.io/p", "--key-file", "a file"], {"method": "access-token", "key_file": "a file"}),
        (
            ["--target", "gcr.io/p", "--auth", "json-key", "--key-file", "a file"],
            {"method": "json-key", "key_file": "a file"},
        ),
        (["--target", "registry.example.com"], {"method": "auto"}),
        (["--target", "registry.example.com", "--auth", "anonymous"], {"method": "anonymous"}),
        (
            ["--target", "harbor.example.com", "--username", "robot$a\"b'\\", "--password-file", "a file"],
            {"method": "auto", "username": "robot$a\"b'\\", "password_file": "a file"},
        ),
    ],
    ids=["google", "key", "json-key", "other", "anonymous", "password"],
)
async def test_init_takes_flags_instead_of_answers(command, tmp_path, monkeypatch, flags, auth):
    (tmp_path / "a file").write_text("secret")
    ended = await command("init", *flags)
    assert ended.code == 0, ended.err
    assert effective(tmp_path)["registry"][0] == {"target": flags[1], "auth": auth}
    monkeypatch.chdir(tmp_path)
    assert Config.load("config.toml").verdict.max_shrink == 0.2
    assert "secret" not in (tmp_path / "config.toml").read_text()


async def test_init_comments_name_keys_that_exist(command, tmp_path, monkeypatch):
    """Every line that is commented out is valid if the comment sign is removed."""
    await command("init", "--target", "registry.example.com")
    text = (tmp_path / "config.toml").read_text()
    head, _, body = text.partition("\n\n")
    keys = [line for line in body.splitlines() if line.startswith("# ")]
    assert len(keys) >= 8
    (tmp_path / "our-ca.pem").write_text("certificates")
    (tmp_path / "config.toml").write_text("\n".join(line.removeprefix("# ") for line in body.splitlines()))
    monkeypatch.chdir(tmp_path)
    assert Config.load("config.toml").registry[0].kind == "harbor"
    assert max(map(len, text.splitlines())) <= 120
    assert head.startswith("# registry-crawler crawl --config config.toml\n")


async def test_init_keeps_a_file_that_exists(command, tmp_path):
    (tmp_path / "config.toml").write_text("mine")
    refused = await command("init", "--target", "localhost:5000")
    assert (refused.code, (tmp_path / "config.toml").read_text()) == (2, "mine")
    assert refused.complaint == "config.toml exists: --force replaces it, --file FILE writes another one"
    other = await command("init", "--target", "localhost:5000", "--file", "other.toml")
    forced = await command("init", "--target", "localhost:5000", "--force")
    assert (other.code, forced.code) == (0, 0)
    assert effective(tmp_path) == effective(tmp_path, "other.toml")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--target: there is no terminal to ask on: give --target HOST[:PORT][/PREFIX]"),
        (["--target", "https://gcr.io"], "TARGET 'https://gcr.io': registry.target: has a scheme: write 'gcr.io'"),
        (["--target", "gcr.io/p", "--key-file", "gone"], "--key-file: registry.auth.key_file: gone: cannot be read"),
        (["--target", "localhost:5000", "--auth", "basic"], "--auth: registry.auth: method basic needs username"),
        (["--target", "localhost:5000", "--auth", "magic"], "Invalid value for '--auth'"),
        (["--target", "quay.io/\x1b[31m"], "TARGET 'quay.io/\\x1b[31m"),
    ],
    ids=["nobody", "target", "file", "password", "method", "escapes"],
)
async def test_init_refuses_wrong_answers_and_writes_nothing(command, tmp_path, flags, message):
    ended = await command("init", *flags)
    assert (ended.code, ended.out) == (2, "")
    assert ended.complaint.startswith(message)
    assert list(tmp_path.iterdir()) == []


async def test_init_that_cannot_write_is_an_error(command):
    ended = await command("init", "--target", "localhost:5000", "--file", "nowhere/config.toml")
    assert ended.code == 1
    assert ended.complaint == "nowhere/config.toml cannot be written: No such file or directory"


async def test_init_asks_three_questions(command, tmp_path):
    code, screen = await answer(command, ["init"], [(TARGET, "gcr.io/my-project"), ("Number", ""), ("Folder", "")])
    assert code == 0, screen
    assert effective(tmp_path)["registry"] == [{"target": "gcr.io/my-project", "auth": {"method": "access-token"}}]
    assert effective(tmp_path)["output"] == {"path": "snapshots"}
    assert "1  the account of this machine or of gcloud: Application Default Credentials" in screen


async def test_init_asks_again_after_a_wrong_answer(command, tmp_path):
    (tmp_path / "password.txt").write_text("hunter2")
    dialogue = [
        (TARGET, "https://registry.example.com"),
        (TARGET, "ghcr.io"),
        (TARGET, "registry.example.com/team"),
        ("Number", "7"),
        ("a number from 1 to 3", "1"),
        ("Username", "reader"),
        ("File with the password", "gone.txt"),
        ("gone.txt cannot be read: No such file or directory", "password.txt"),
        ("Folder", "/srv/snapshots"),
    ]
    code, screen = await answer(command, ["init"], dialogue)
    assert code == 0, screen
    assert "has a scheme: write 'registry.example.com'" in screen
    assert "GHCR has no catalog" in screen
    auth = {"method": "auto", "username": "reader", "password_file": "password.txt"}
    assert effective(tmp_path)["registry"] == [{"target": "registry.example.com/team", "auth": auth}]
    assert effective(tmp_path)["output"] == {"path": "/srv/snapshots"}
    assert "hunter2" not in screen


async def test_init_offers_a_credential_helper_for_ecr(command, tmp_path):
    ecr = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    code, screen = await answer(command, ["init", "--output", "out"], [(TARGET, ecr), ("Number", "1")])
    assert code == 0, screen
    assert effective(tmp_path)["registry"][0]["auth"] == {"method": "docker-config"}
    assert "Folder" not in screen


async def test_init_that_is_given_up_writes_nothing(command, tmp_path):
    code, _ = await answer(command, ["init"], [(TARGET, "\x04")])
    assert code == 130
    assert list(tmp_path.iterdir()) == []
