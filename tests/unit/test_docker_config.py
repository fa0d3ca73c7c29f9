"""Docker's and podman's login files: which entry is for a registry, and what an entry holds."""

import asyncio
import json
from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.docker_home import ANN, ENTRY, HUB_SERVER, REGISTRY, SECRET, error_message, packed

from crawler.auth.credentials import BEARER_TOKEN_USER, IDENTITY_TOKEN_USER, Credential
from crawler.auth.docker_config import DockerCredentials
from crawler.errors import CredentialsError
from crawler.model.names import Target

fuzz = settings(max_examples=150)


# ------------------------------------------------------------------------------------------------ keys and entries


@pytest.mark.parametrize(
    "key",
    [
        REGISTRY,
        f"{REGISTRY}/",
        f"{REGISTRY}/v2/",
        f"https://{REGISTRY}",
        f"https://{REGISTRY}/",
        f"https://{REGISTRY}/v1/",
        f"https://{REGISTRY}/v2/",
        f"http://{REGISTRY}/v2",
        f"https://{REGISTRY}/some/path",
        "https://Registry.Example.COM/v2/",
    ],
)
async def test_docker_config_key_may_be_a_host_or_a_url(home, key):
    home.write({"auths": {"other.example.com": packed("bob", "x"), key: ENTRY}})
    assert await home.credentials().get() == ANN


@pytest.mark.parametrize(
    "key",
    [
        "example.com",
        "registry.example.com.evil.org",
        "https://evil.org/registry.example.com",
        "https://registry.example.com@evil.org/v2/",
        f"{REGISTRY}:5000",
        f"https://{REGISTRY}:443",
        "",
        "://",
    ],
)
async def test_docker_config_key_of_another_registry_is_ignored(home, key):
    home.write({"auths": {key: ENTRY}})
    assert await home.credentials().get() is None


@pytest.mark.parametrize("key", ["localhost:5000", "https://localhost:5000/v2/", "http://localhost:5000"])
async def test_docker_config_key_includes_the_port(home, key):
    home.write({"auths": {"localhost": packed("bob", "x"), key: ENTRY}})
    assert await home.credentials("localhost:5000").get() == ANN


@pytest.mark.parametrize("target", ["docker.io", "index.docker.io", "registry-1.docker.io"])
@pytest.mark.parametrize(
    "key", [HUB_SERVER, "docker.io", "index.docker.io", "registry-1.docker.io", "https://registry-1.docker.io/v2/"]
)
async def test_docker_config_key_of_docker_hub_may_be_any_of_its_names(home, target, key):
    home.write({"auths": {key: ENTRY}})
    assert await home.credentials(target).get() == ANN


async def test_docker_config_key_of_docker_hub_goes_before_its_token_entries(home):
    pieces = {f"{HUB_SERVER}access-token": packed("a", "x"), f"{HUB_SERVER}refresh-token": packed("r", "x")}
    home.write({"auths": {**pieces, HUB_SERVER: ENTRY}})
    assert await home.credentials("docker.io").get() == ANN


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("quay.io", "host"),
        ("quay.io/team", "team"),
        ("quay.io/team/app", "app"),
        ("quay.io/team/app/deep", "app"),
        ("quay.io/team/application", "team"),
        ("quay.io/teammates", "host"),
    ],
)
async def test_docker_config_most_specific_key_wins(home, target, name):
    keys = {"quay.io/team": "team", "quay.io": "host", "quay.io/team/app/": "app"}
    home.write({"auths": {key: packed(name, "x") for key, name in keys.items()}}, ".config/containers/auth.json")
    assert await home.credentials(target).get() == Credential(name, "x")


async def test_docker_config_key_narrower_than_the_target_is_ignored(home):
    home.write({"auths": {"quay.io/team/app": ENTRY}})
    assert await home.credentials("quay.io/team").get() is None
    assert not await home.is_named("quay.io/team")


async def test_docker_config_key_may_be_a_namespace_of_docker_hub(home):
    home.write({"auths": {"docker.io": packed("host", "x"), "docker.io/team": ENTRY}})
    assert await home.credentials("registry-1.docker.io/team").get() == ANN


@pytest.mark.parametrize(
    ("entry", "credential"),
    [
        (ENTRY, ANN),
        ({**ENTRY, "email": "ann@example.com"}, ANN),
        ({"username": "ann", "password": SECRET}, ANN),
        ({**ENTRY, "username": "bob", "password": "x"}, ANN),
        ({"identitytoken": "t0ken"}, Credential(IDENTITY_TOKEN_USER, "t0ken")),
        ({**packed("ann", ""), "identitytoken": "t0ken"}, Credential(IDENTITY_TOKEN_USER, "t0ken")),
        ({"registrytoken": "t0ken", "identitytoken": "x"}, Credential(BEARER_TOKEN_USER, "t0ken")),
        ({"auth": b64encode(b"ann:x\0\0").decode()}, Credential("ann", "x")),
        ({"auth": "\n".join(ENTRY["auth"])}, ANN),
        (packed("Ånn", "pässwörd"), Credential("Ånn", "pässwörd")),
    ],
)
async def test_docker_config_entry_is_parsed_in_every_form(home, entry, credential):
    home.write({"auths": {REGISTRY: entry}})
    assert await home.credentials().get() == credential
    assert await home.is_named()


@pytest.mark.parametrize(
    "entry",
    [None, {}, {"auth": ""}, {"auth": None}, {"email": "ann@example.com"}, {"username": "ann"}, packed("ann", "")],
)
async def test_docker_config_empty_entry_is_no_login(home, entry):
    home.write({"auths": {f"https://{REGISTRY}": entry}})
    assert await home.credentials().get() is None
    assert not await home.is_named()


async def test_docker_config_empty_entry_does_not_hide_another(home):
    home.write({"auths": {f"{REGISTRY}/team": {}, REGISTRY: {}, f"https://{REGISTRY}": ENTRY}})
    assert await home.credentials(f"{REGISTRY}/team").get() == ANN


@given(
    name=st.text(st.characters(codec="utf-8", exclude_characters=":"), min_size=1),
    password=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1),
)
@fuzz
def test_docker_config_entry_keeps_every_name_and_password(tmp_path_factory, name, password):
    file = tmp_path_factory.getbasetemp() / "packed.json"
    file.write_text(json.dumps({"auths": {REGISTRY: packed(name, password)}}))
    credentials = DockerCredentials(Target(REGISTRY), environ={"REGISTRY_AUTH_FILE": str(file)})
    assert asyncio.run(credentials.get()) == Credential(name, password)


@pytest.mark.parametrize(
    "content",
    [
        f'{{"auths": {{"{REGISTRY}": {{"auth": "{SECRET}"',
        json.dumps([ENTRY]),
        json.dumps(SECRET),
        json.dumps({"auths": [ENTRY]}),
        json.dumps({"auths": {REGISTRY: SECRET}}),
        json.dumps({"auths": {REGISTRY: {"auth": [SECRET]}}}),
        json.dumps({"auths": {REGISTRY: {"auth": SECRET}}}),
        json.dumps({"auths": {REGISTRY: {"auth": "ä" + SECRET}}}),
        json.dumps({"auths": {REGISTRY: {"auth": b64encode(b"hunter2").decode()}}}),
        json.dumps({"auths": {REGISTRY: {"auth": b64encode(b":hunter2").decode()}}}),
        json.dumps({"auths": {REGISTRY: {"auth": b64encode(b"ann:\xff").decode()}}}),
        json.dumps({"auths": {REGISTRY: {"username": "ann", "password": 7}}}),
        json.dumps({"auths": {REGISTRY: {"identitytoken": [SECRET]}}}),
        json.dumps({"auths": {REGISTRY: {"username": "\ud800", "password": SECRET}}}),
        json.dumps({"credHelpers": SECRET}),
        json.dumps({"credHelpers": {REGISTRY: [SECRET]}}),
        json.dumps({"credsStore": [SECRET]}),
    ],
)
async def test_docker_config_malformed_file_is_named_and_never_quoted(home, content):
    file = home.write(content)
    message = await error_message(home.credentials())
    assert message.startswith(f"{file}: ")
    assert "hunter2" not in message
    with pytest.raises(CredentialsError):
        await home.credentials().look_up()


async def test_docker_config_unreadable_file_is_named(home):
    home.docker.mkdir(parents=True)
    assert await error_message(home.credentials()) == f"{home.docker}: the file cannot be read: Is a directory"


async def test_docker_config_malformed_entry_of_another_registry_is_ignored(home):
    home.write({"auths": {REGISTRY: ENTRY, "other.example.com": 7}, "credHelpers": {"other.example.com": "../x"}})
    assert await home.credentials().get() == ANN


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from([REGISTRY, f"https://{REGISTRY}/v2/", f"{REGISTRY}/team", "docker.io"]) | st.text()
entries = json_values | st.fixed_dictionaries(
    {}, optional=dict.fromkeys(["auth", "username", "password", "identitytoken", "registrytoken"], json_values)
)
configs = json_values | st.fixed_dictionaries(
    {},
    optional={
        "auths": json_values | st.dictionaries(keys, entries, max_size=3),
        "credHelpers": json_values | st.dictionaries(keys, json_values, max_size=3),
        "credsStore": json_values,
    },
)


def look_up(file, target):
    """The message of a lookup's CredentialsError and the credential; any other error is raised."""

    async def look():
        credentials = DockerCredentials(Target.parse(target), environ={"REGISTRY_AUTH_FILE": str(file)})
        login, credential = await credentials.look_up(), await credentials.get()
        assert login.is_named or credential is None
        return credential

    try:
        return "", asyncio.run(look())
    except CredentialsError as error:
        return str(error), None


@given(config=configs)
@fuzz
def test_docker_config_with_any_json_gives_a_credential_or_a_credentials_error(tmp_path_factory, config):
    file = tmp_path_factory.getbasetemp() / "any.json"
    file.write_text(json.dumps(config))
    message, credential = look_up(file, f"{REGISTRY}/team/app")
    assert message.isprintable()
    assert credential is None or (isinstance(credential, Credential) and credential.name and credential.password)


@given(content=st.binary())
@fuzz
def test_docker_config_with_any_bytes_gives_a_credentials_error_or_no_login(tmp_path_factory, content):
    file = tmp_path_factory.getbasetemp() / "bytes.json"
    file.write_bytes(content)
    message, credential = look_up(file, REGISTRY)
    assert message.isprintable()
    assert credential is None
