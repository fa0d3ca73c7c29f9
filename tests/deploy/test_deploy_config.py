"""Which configurations can be deployed, and what is said of those that cannot."""

import re
import tomllib
from typing import get_args

import pytest
from pydantic import AfterValidator
from support.deploy_folders import documents

from crawler.config import Config
from crawler.config.keys import table_model
from crawler.deploy.input_files import FILE_KEYS
from crawler.deploy.secret_keys import SECRET_KEYS, is_secret_variable, secrets_in

DEPLOY = ("deploy", "kubernetes", "--image", "x", "--config", "config.toml")


async def placed(command, tmp_path, text):
    (tmp_path / "config.toml").write_text(text)
    ended = await command(*DEPLOY)
    assert ended.code == 0, ended.err
    return documents(ended.out)["ConfigMap"]["data"]["config.toml"]


@pytest.mark.parametrize(
    "text",
    [
        '[registry]\ntarget = "gcr.io/p"\n[registry.auth]\nkey_file = "key.json" # the key\n',
        '[[registry]]\ntarget = "gcr.io/p"\nauth = {key_file = "key.json", method = "token"}\n',
        '[[registry]]\ntarget = "gcr.io/p"\nauth."key_file"="\\u006bey.json"\n',
        '# key_file = "\\q"\n[[registry]]\ntarget = "gcr.io/p"\nauth.key_file = "key.json"\n',
        "registry = [{target = 'gcr.io/p', auth = {'key_file' = './key.json'}}]",
    ],
    ids=["table", "inline table", "quoted key", "comment", "array"],
)
async def test_deploy_finds_a_file_however_toml_names_it(command, tmp_path, text):
    (tmp_path / "key.json").write_text("{}")
    document = tomllib.loads(await placed(command, tmp_path, text))
    registries = document["registry"]
    (table,) = registries if isinstance(registries, list) else [registries]
    assert table["auth"]["key_file"] == "/var/run/registry-crawler/key.json"


async def test_deploy_gives_files_of_one_name_two_names(command, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "key.json").write_text("{}")
    (tmp_path / "config.toml").write_text(
        '[[registry]]\ntarget = "gcr.io/a"\nauth.key_file = "a/key.json"\n'
        '[[registry]]\ntarget = "gcr.io/b"\nauth.key_file = "b/key.json"\n'
        '[[registry]]\ntarget = "gcr.io/c"\nauth.key_file = "a/key.json"\n'
    )
    document = tomllib.loads(documents((await command(*DEPLOY)).out)["ConfigMap"]["data"]["config.toml"])
    names = [table["auth"]["key_file"].rpartition("/")[2] for table in document["registry"]]
    assert names == ["key.json", "2-key.json", "key.json"]


async def test_deploy_expands_the_home_folder_here(command, tmp_path):
    (tmp_path / "key.json").write_text("{}")
    text = await placed(command, tmp_path, '[[registry]]\ntarget = "gcr.io/p"\nauth.key_file = "~/key.json"\n')
    assert "~" not in text


@pytest.mark.parametrize(
    ("beginning", "ending"), [("", ""), ("\n\n", "\n\n\n"), ("  ", "\r\n"), ("\ufeff# \u2028 \x85 \ue000 😀\n", "\n")]
)
async def test_deploy_keeps_text_that_yaml_could_misread(command, tmp_path, beginning, ending):
    text = f'{beginning}registry.target = "localhost:5000"{ending}'
    (tmp_path / "config.toml").write_bytes(text.encode())
    found = documents((await command(*DEPLOY)).out)["ConfigMap"]["data"]["config.toml"]
    kept = text.removeprefix("\ufeff").replace("\r\n", "\n")
    assert found == (kept if kept.endswith("\n") else f"{kept}\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('registry.target = "https://gcr.io"', "config.toml:1: registry.target: has a scheme: write 'gcr.io'"),
        (
            '[[registry]]\ntarget = "localhost:5000"\nauth.username = "bob"\nauth.password = "hunter2"\n',
            "config.toml: registry.auth.password: a configuration that is deployed holds no secret: write",
        ),
        ('registry.target = "localhost:5000"\noutput.path = "-"', "output.path: standard output keeps no snapshots"),
        (
            'registry.target = "localhost:5000"\nregistry.repositories_from = "-"',
            "registry.repositories_from: names from standard input cannot be deployed",
        ),
        ('registry.target = "gcr.io/p"\nregistry.ca_file = "."', "registry.ca_file: "),
        (
            'registry.target = "gcr.io/p"\nregistry.ca_file = """\nca.pem"""',
            "write each of key_file, password_file",
        ),
        ('registry.target = "gcr.io/p"\nregistry.ca_file = "gone.pem"', "gone.pem: cannot be read: No such file"),
    ],
    ids=["wrong", "password", "stream", "names", "folder", "lines", "missing"],
)
async def test_deploy_refuses_what_cannot_be_deployed(command, tmp_path, text, message):
    (tmp_path / "ca.pem").write_text("certificates")
    (tmp_path / "config.toml").write_text(text)
    ended = await command(*DEPLOY)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.complaint
    assert "hunter2" not in ended.err


async def test_deploy_refuses_a_configuration_from_a_pipe(command):
    ended = await command("deploy", "kubernetes", "--image", "x", "--config", "/dev/stdin", stdin="registry = []")
    assert ended.code == 2
    assert ended.complaint == "/dev/stdin: must be a file, not a pipe or a folder, to be deployed"


async def test_deploy_refuses_a_variable_that_is_not_utf_8(command, tmp_path):
    (tmp_path / "config.toml").write_text('registry.target = "localhost:5000"')
    ended = await command(*DEPLOY, environment={"REGISTRY_CRAWLER_REGISTRY__EXCLUDE": "\udcff"})
    assert (ended.code, ended.out) == (2, "")
    assert ended.complaint.endswith("a path or a variable is not UTF-8, as what is deployed must be")


async def test_deploy_needs_a_configuration(command):
    ended = await command("deploy", "systemd")
    assert ended.code == 2
    assert ended.complaint.startswith("Missing option '--config' (try ")


def file_keys(table, prefix=""):
    """The keys whose files `Config.load` opens, dotted."""
    for name, field in table.model_fields.items():
        inner = table_model(field)
        if inner is not None:
            yield from file_keys(inner, f"{prefix}{name}.")
        checks = [*field.metadata, *(each for part in get_args(field.annotation) for each in get_args(part))]
        if any(isinstance(check, AfterValidator) and "readable" in check.func.__name__ for check in checks):
            yield f"{prefix}{name}"


def test_deploy_knows_every_key_that_names_a_file():
    assert set(file_keys(Config)) == {f"registry.{key}" for key in FILE_KEYS}


async def test_deploy_to_a_container_says_what_localhost_is_there(command, tmp_path):
    (tmp_path / "config.toml").write_text('registry.target = "localhost:5000"')
    assert "localhost:5000: there this is the container itself, and not this machine" in (await command(*DEPLOY)).err


@pytest.mark.parametrize("platform", [("cron",), ("systemd",), ("kubernetes", "--image", "x")], ids=" ".join)
async def test_deploy_says_what_of_this_environment_stays_here(command, tmp_path, platform):
    (tmp_path / "config.toml").write_text('registry.target = "registry.example.com"')
    environment = {"https_proxy": "http://bob:hunter2@proxy:3128", "NO_PROXY": "", "AWS_PROFILE": "ops"}
    ended = await command("deploy", *platform, "--config", "config.toml", environment=environment)
    assert ended.code == 0
    (names,) = re.findall(r"registry-crawler: (.+): set here, and not deployed: add what the crawl needs", ended.err)
    assert {"AWS_PROFILE", "https_proxy"} <= set(names.split(", "))
    assert "NO_PROXY" not in names
    assert "hunter2" not in ended.out + ended.err


def test_deploy_knows_every_key_that_holds_a_secret():
    assert set(SECRET_KEYS) == {"registry.auth.password", "notify.url"}
    names = ("REGISTRY_CRAWLER_PASSWORD", "registry_crawler_registry__auth__password", "REGISTRY_CRAWLER_NOTIFY__URL")
    for name in names:
        assert is_secret_variable(name)
    for name in ("REGISTRY_CRAWLER_USERNAME", "REGISTRY_CRAWLER_REGISTRY__AUTH__PASSWORD_FILE"):
        assert not is_secret_variable(name)
    assert secrets_in({"registry": {"auth": {"password": "x"}}}) == ["registry.auth.password"]
    assert secrets_in({"registry": [{}, {"auth": {"password": "x"}}]}) == ["registry.auth.password"]
    assert secrets_in({"registry": [{"auth": {"password_file": "x"}}]}) == []
