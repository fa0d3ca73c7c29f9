"""Secrets in the wrong setting, and secrets that could reach a server that they are not for."""

import os
from base64 import b64encode
from pathlib import Path

import anyio
import pytest
from support.scripted import challenge, document, on, refusal, serve

import crawler
from crawler.config import Config, RegistryConfig
from crawler.errors import ConfigError, CredentialsError
from crawler.run.credentials import resolve_credentials
from crawler.transport.outage import OutageDetector

PREFIX = "REGISTRY_CRAWLER_"
SECRET = "CFGSECRET"
BASIC = "Basic " + b64encode(f"robot:{SECRET}".encode()).decode()


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in os.environ:
        if name.upper().startswith(PREFIX):
            monkeypatch.delenv(name)


def mistakes(file: Path | None = None, **options) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        Config.load(file, **options)
    return caught.value.mistakes


MISPLACED = {
    "a realm with a user": ('realms = ["https://robot:CFGSECRET@auth.example.com/token"]', "a realm is a host"),
    "a realm with a user and no scheme": ('realms = ["robot:CFGSECRET@auth.example.com"]', "a realm is a host"),
    "a realm that is a user": ('realms = ["robot:CFGSECRET"]', "a realm is a host"),
    "a realm that is an address": ('realms = ["https://auth.example.com/CFGSECRET"]', "a realm is a host"),
    "a realm with a path": ('realms = ["auth.example.com/CFGSECRET"]', "a realm is a host"),
    "a scope with a user": ('auth.scope = "https://robot:CFGSECRET@x/y"', "an OAuth scope is"),
    "a username with a password": (
        'auth.username = "robot:CFGSECRET"\nauth.password = "x"',
        "a username holds no colon",
    ),
    "a key in place of its path": ('auth.key_file = \'{"private_key": "CFGSECRET"}\'', "key_file is the path"),
    "a location with a user": ('location = "https://robot:CFGSECRET@x"', "must be a location, such as us-central1"),
    "an API with a user": ('apis.docker_hub = "https://robot:CFGSECRET@hub"', "an API's URL is"),
}


@pytest.mark.parametrize(("line", "message"), MISPLACED.values(), ids=MISPLACED)
def test_misplaced_secret_in_a_file_is_refused_and_not_shown(line, message, tmp_path):
    file = tmp_path / "config.toml"
    file.write_text(f'[[registry]]\ntarget = "localhost:5000"\n{line}\n')
    (mistake,) = mistakes(file)
    assert message in mistake
    assert SECRET not in mistake


@pytest.mark.parametrize(("name", "value"), [("REALMS", f"robot:{SECRET}"), ("AUTH__SCOPE", f"https://u:{SECRET}@x")])
def test_misplaced_secret_in_the_environment_is_not_shown(name, value, monkeypatch):
    monkeypatch.setenv(f"{PREFIX}REGISTRY__{name}", value)
    (mistake,) = mistakes(targets=["localhost:5000"])
    assert mistake.startswith(f"{PREFIX}REGISTRY__{name}: ")
    assert SECRET not in mistake


@pytest.mark.parametrize(
    "realm",
    [
        "auth.example.com",
        "*.example.com",
        "auth.example.com:8443",
        "gitlab-[0-9].example.com",
        "[::1]:5000",
        "10.0.0.1",
    ],
)
def test_realm_setting_is_a_host(realm):
    assert RegistryConfig(target="localhost:5000", realms=[realm]).realms == (realm,)


# ------------------------------------------------------------------------------- a password in the environment


TWO = '[[registry]]\ntarget = "one.example.com"\n{}\n[[registry]]\ntarget = "two.example.com"\n{}\n'


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Load two tables with these lines, with a user and password in the environment."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key.json").touch()
    monkeypatch.setenv(f"{PREFIX}USERNAME", "robot")
    monkeypatch.setenv(f"{PREFIX}PASSWORD", SECRET)

    def loaded(one: str = "", two: str = "") -> dict[str, str | None]:
        file = tmp_path / "config.toml"
        file.write_text(TWO.format(one, two))
        return {r.target.registry: r.auth.username for r in Config.load(file).registry if r.auth.password is not None}

    return loaded


def test_environment_password_is_not_sent_to_several_registries(load):
    with pytest.raises(ConfigError) as caught:
        load()
    (mistake,) = caught.value.mistakes
    assert mistake == (
        "REGISTRY_CRAWLER_USERNAME, REGISTRY_CRAWLER_PASSWORD: would be sent to each of one.example.com, "
        "two.example.com: set username in the [[registry]] table of the registry that it is for"
    )


def test_environment_password_is_not_sent_to_several_targets(monkeypatch):
    monkeypatch.setenv(f"{PREFIX}REGISTRY__AUTH__USERNAME", "robot")
    monkeypatch.setenv(f"{PREFIX}PASSWORD", SECRET)
    (mistake,) = mistakes(targets=["one.example.com", "two.example.com"])
    assert mistake.startswith("REGISTRY_CRAWLER_PASSWORD: would be sent to each of one.example.com")


def test_environment_password_mistake_is_listed_with_the_others(load):
    with pytest.raises(ConfigError) as caught:
        load(two='realms = ["a/b"]')
    assert len(caught.value.mistakes) == 2


def test_environment_password_is_for_the_table_with_the_username(load):
    assert load(two='auth.username = "robot"') == {"two.example.com": "robot"}


@pytest.mark.parametrize("other", ['auth.method = "anonymous"', 'auth.key_file = "key.json"'])
def test_environment_password_is_for_the_only_table_that_takes_one(load, other):
    assert "one.example.com" in load(two=other)


def test_environment_password_is_for_several_targets_of_one_registry(monkeypatch):
    monkeypatch.setenv(f"{PREFIX}USERNAME", "robot")
    monkeypatch.setenv(f"{PREFIX}PASSWORD", SECRET)
    config = Config.load(targets=["one.example.com/a", "one.example.com/b"])
    assert [registry.auth.username for registry in config.registry] == ["robot", "robot"]


def test_environment_of_a_credential_helper_has_none_of_the_crawlers_variables(tmp_path, monkeypatch):
    """Under uvloop, which the command uses and which accepts only a dict as the environment."""
    helper = tmp_path / "docker-credential-spy"
    helper.write_text(f"#!/bin/sh\nenv > {tmp_path}/env\n" + """echo '{"Username": "u", "Secret": "s"}'\n""")
    helper.chmod(0o755)
    (tmp_path / "config.json").write_text('{"credHelpers": {"registry.example.com": "spy"}}')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.delenv("REGISTRY_AUTH_FILE", raising=False)
    monkeypatch.setenv(f"{PREFIX}PASSWORD", SECRET)

    async def user():
        registry = RegistryConfig(target="registry.example.com", auth={"method": "docker-config"})
        resolved = await resolve_credentials(registry, OutageDetector(300))
        return await resolved.credentials.get()

    assert anyio.run(user, backend_options={"use_uvloop": True}).name == "u"
    environment = (tmp_path / "env").read_text()
    assert f"DOCKER_CONFIG={tmp_path}" in environment
    assert SECRET not in environment


# ------------------------------------------------------------------------------------------ realms and proxies


async def test_realm_on_this_machine_is_not_trusted_by_a_registry_elsewhere(tmp_path):
    """Only a registry on the loopback trusts a loopback realm. 0.0.0.0 reaches this machine, and is another address."""
    grabbing = [on("/token", document({"token": "x"}))]
    async with serve(grabbing) as local:
        realm = f"{local.origin}/token"
        async with serve([on("/v2/", refusal(401, "UNAUTHORIZED", "who?", challenge(realm)))]) as registry:
            table = {
                "target": f"0.0.0.0:{registry.port}",
                "plain_http": True,
                "auth": {"method": "basic", "username": "robot", "password": SECRET},
            }
            config = Config(registry=[table], limits={"attempts": 1}, output={"path": tmp_path})
            with pytest.raises(CredentialsError, match=r"registry\.realms"):
                await crawler.crawl(config)
        assert not local.requests


async def test_realm_on_another_port_of_this_machine_is_trusted_by_a_registry_on_it(tmp_path):
    async with serve([on("/token", refusal(401, "UNAUTHORIZED", "no"))]) as local:
        realm = f"http://localhost:{local.port}/token"
        async with serve([on("/v2/", refusal(401, "UNAUTHORIZED", "who?", challenge(realm)))]) as registry:
            auth = {"method": "basic", "username": "robot", "password": SECRET}
            config = Config(registry=[{"target": registry.host, "auth": auth}], output={"path": tmp_path})
            with pytest.raises(crawler.CrawlerError):
                await crawler.crawl(config)
        assert local.authorizations == {BASIC}


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"])
async def test_proxy_setting_that_is_no_url_is_refused_and_not_shown(variable, tmp_path, monkeypatch):
    monkeypatch.setenv(variable, f"http://user:[{SECRET}@127.0.0.1:1")
    table = {"target": "registry.example.com", "auth": {"method": "anonymous"}}
    config = Config(registry=[table], output={"path": tmp_path})
    with pytest.raises(CredentialsError) as caught:
        await crawler.crawl(config)
    assert str(caught.value).startswith(f"{variable} is not the URL of a proxy")
    assert SECRET not in str(caught.value)
