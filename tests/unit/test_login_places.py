"""Which login goes first, which nearly fits, and places that cannot be read."""

import codecs
import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.docker_home import ANN, ENTRY, REGISTRY, Home, packed

from crawler.auth.credentials import Credential
from crawler.auth.docker_config import DockerCredentials
from crawler.errors import CredentialsError
from crawler.model.names import Target

# The order


async def test_login_in_the_variable_goes_before_every_file(home):
    home.environ["DOCKER_AUTH_CONFIG"] = json.dumps({"auths": {REGISTRY: packed("variable", "x")}})
    home.environ["REGISTRY_AUTH_FILE"] = str(home.folder / "nothing.json")
    home.write({"auths": {REGISTRY: ENTRY}})
    assert await home.credentials().get() == Credential("variable", "x")


@pytest.mark.parametrize("mark", ["\ufeff", " \n"])
async def test_login_in_the_variable_may_begin_with_a_byte_order_mark_or_blanks(home, mark):
    home.environ["DOCKER_AUTH_CONFIG"] = mark + json.dumps({"auths": {REGISTRY: ENTRY}})
    assert await home.credentials().get() == ANN


@pytest.mark.parametrize("content", ["", " \n"])
async def test_login_variable_that_is_empty_counts_as_not_set(home, content):
    home.environ["DOCKER_AUTH_CONFIG"] = content
    home.write({"auths": {REGISTRY: ENTRY}})
    assert await home.credentials().get() == ANN


async def test_login_in_the_variable_for_another_registry_leaves_the_files(home):
    home.environ["DOCKER_AUTH_CONFIG"] = json.dumps({"auths": {"quay.io": packed("variable", "x")}})
    home.write({"auths": {REGISTRY: ENTRY}})
    assert await home.credentials().get() == ANN


async def test_login_files_of_a_folder_are_searched_in_order(home):
    names = ["config.json", ".dockerconfigjson", ".dockercfg"]
    home.environ["DOCKER_CONFIG"] = str(home.folder / "docker")
    for name in reversed(names):
        home.write({"auths": {REGISTRY: packed(name, "x")}}, f"docker/{name}")
        assert await home.credentials().get() == Credential(name, "x")


async def test_legacy_login_at_home_comes_last(home):
    home.write({REGISTRY: packed("legacy", "x")}, ".dockercfg")
    assert await home.credentials().get() == Credential("legacy", "x")
    home.write({"auths": {REGISTRY: ENTRY}})
    assert await home.credentials().get() == ANN


async def test_legacy_login_stands_beside_what_is_no_entry(home):
    home.write({"other.example.com": None, "note": "x", REGISTRY: ENTRY, "empty.example.com": {}}, ".dockercfg")
    assert await home.credentials().get() == ANN


@pytest.mark.parametrize(
    "config",
    [
        {"HttpHeaders": {"auth": "x"}, "proxies": {"default": {"httpProxy": "http://x"}}},
        {"auths": {}, REGISTRY: ENTRY},
        {"credsStore": "", REGISTRY: ENTRY},
        {REGISTRY: "a string"},
        {REGISTRY: None},
    ],
)
async def test_legacy_login_is_told_by_its_content(home, config):
    home.write(config)
    assert await home.credentials().get() is None


async def test_legacy_login_that_is_malformed_is_named(home):
    file = home.write({REGISTRY: {"auth": "!!!"}}, ".dockercfg")
    with pytest.raises(CredentialsError, match=f"^{file}: auth is not the base64"):
        await home.credentials().get()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
async def test_login_file_in_utf_16_is_an_error_in_words(home, encoding):
    file = home.write("")
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    file.write_bytes(mark + json.dumps({"auths": {REGISTRY: ENTRY}}).encode(encoding))
    with pytest.raises(CredentialsError, match=f"^{file}: the text is UTF-16, .* save it as UTF-8$"):
        await home.credentials().get()


# Logins that nearly fit


@pytest.mark.parametrize(
    ("target", "key", "shown"),
    [
        (f"{REGISTRY}:5000", REGISTRY, REGISTRY),
        (REGISTRY, f"{REGISTRY}:5000", f"{REGISTRY}:5000"),
        (REGISTRY, f"https://{REGISTRY}:443/v2/", f"{REGISTRY}:443"),
        (REGISTRY, f"{REGISTRY.upper()}.", f"{REGISTRY}."),
        ("127.0.0.1:5000", "localhost:5000", "localhost:5000"),
        ("localhost:5000", "[::1]:5000", "[::1]:5000"),
        (REGISTRY, f"{REGISTRY}/team", f"{REGISTRY}/team"),
        (f"{REGISTRY}/team", f"{REGISTRY}/team/app", f"{REGISTRY}/team/app"),
        (REGISTRY, "*.example.com", "*.example.com"),
    ],
)
@pytest.mark.parametrize("config", ["auths", "credHelpers", "legacy"])
async def test_login_for_another_spelling_is_near(home, target, key, shown, config):
    entries = {key: "one" if config == "credHelpers" else ENTRY}
    file = home.write(entries if config == "legacy" else {config: entries})
    login = await home.credentials(target).look_up()
    assert login.near_misses == (f"there is a login for {shown} in {file}, and none for {target}",)
    assert not login.is_named


@pytest.mark.parametrize(
    ("target", "key"),
    [
        (REGISTRY, "example.com"),
        (REGISTRY, f"https://{REGISTRY}@evil.example.org:5000/"),
        (REGISTRY, f"user:secret@{REGISTRY}:5000"),
        (f"{REGISTRY}/team", f"{REGISTRY}/other"),
        (REGISTRY, "*.example.org"),
        (REGISTRY, ""),
    ],
)
async def test_login_for_another_host_is_not_near(home, target, key):
    home.write({"auths": {key: ENTRY}})
    assert (await home.credentials(target).look_up()).near_misses == ()


async def test_login_that_is_near_does_not_matter_beside_one_that_fits(home):
    home.write({"auths": {f"{REGISTRY}:5000": packed("bob", "x"), REGISTRY: ENTRY}})
    login = await home.credentials().look_up()
    assert (login.credential, login.near_misses) == (ANN, ())


# Stores


async def test_store_alone_that_hangs_is_passed_over_in_time(home):
    home.write({"credsStore": "hanging"})
    home.helper("hanging", "exec /bin/sleep 1000")
    login = await home.credentials(timeout_s=1).look_up()
    assert (login.credential, login.is_named) == (None, False)
    assert login.failures == ("docker-credential-hanging gave no answer within 1 s",)


# Places that cannot be read


@pytest.fixture
def reachable():
    """A home that every user of this machine can come to."""
    folder = Path(tempfile.mkdtemp(prefix="registry-crawler-"))
    folder.chmod(0o755)
    yield Home(folder)
    shutil.rmtree(folder)


@contextmanager
def closed(path):
    """Nobody may read the file or enter the folder: not even root, who is another user meanwhile."""
    mode, user = path.stat().st_mode, os.geteuid()
    path.chmod(0)
    if user == 0:
        os.seteuid(65_534)
    try:
        yield path
    finally:
        if user == 0:
            os.seteuid(0)
        path.chmod(mode)


@pytest.mark.parametrize(
    ("place", "what", "passed_over"),
    [
        (".docker/config.json", ".docker/config.json", {".docker/config.json"}),
        (".docker/config.json", ".docker", {".docker/config.json", ".docker/.dockerconfigjson"}),
        (".dockercfg", ".dockercfg", {".dockercfg"}),
        ("run/containers/auth.json", "run", {"run/containers/auth.json"}),
        ("xdg/containers/auth.json", "xdg", {"xdg/containers/auth.json"}),
    ],
)
async def test_login_place_that_cannot_be_read_is_passed_over(reachable, place, what, passed_over):
    home = reachable
    home.environ |= {"XDG_RUNTIME_DIR": str(home.folder / "run"), "XDG_CONFIG_HOME": str(home.folder / "xdg")}
    home.write({"auths": {REGISTRY: ENTRY}}, place)
    with closed(home.folder / what):
        login = await home.credentials().look_up()
    assert (login.credential, login.is_named) == (None, False)
    assert set(login.warnings) == {
        f"{home.folder / path} cannot be read and is passed over (Permission denied)" for path in passed_over
    }


async def test_login_behind_a_closed_place_is_found(reachable):
    reachable.write({"auths": {REGISTRY: packed("podman", "x")}}, ".config/containers/auth.json")
    reachable.write({"auths": {REGISTRY: ENTRY}})
    with closed(reachable.folder / ".config"):
        login = await reachable.credentials().look_up()
    assert login.credential == ANN
    assert len(login.warnings) == 1


async def test_login_below_a_closed_home_is_nobodys(reachable):
    reachable.write({"auths": {REGISTRY: ENTRY}})
    with closed(reachable.folder):
        login = await reachable.credentials().look_up()
    assert login.credential is None
    assert login.warnings


@pytest.mark.parametrize(
    ("variable", "named", "what"),
    [
        ("REGISTRY_AUTH_FILE", "secret/config.json", "secret/config.json"),
        ("REGISTRY_AUTH_FILE", "secret/config.json", "secret"),
        ("DOCKER_CONFIG", "secret", "secret/config.json"),
        ("DOCKER_CONFIG", "secret", "secret"),
        ("DOCKER_CONFIG", "above/secret", "above"),
    ],
)
async def test_login_place_that_a_variable_names_must_be_readable(reachable, variable, named, what):
    reachable.write({"auths": {REGISTRY: ENTRY}}, f"{named}/config.json" if variable == "DOCKER_CONFIG" else named)
    reachable.environ[variable] = str(reachable.folder / named)
    with closed(reachable.folder / what), pytest.raises(CredentialsError, match=rf"^{variable} .*Permission denied"):
        await reachable.credentials().get()


async def test_login_of_a_session_in_a_closed_folder_is_no_warning(reachable):
    folder = reachable.folder / "run" / "containers"
    folder.mkdir(parents=True)
    with closed(folder):
        login = await DockerCredentials(Target(REGISTRY), environ={}, run=folder.parent).look_up()
    assert (login.credential, login.warnings) == (None, ())


@pytest.mark.parametrize("home_folder", [None, "", "/nowhere/at/all"])
async def test_login_without_a_home_is_nobodys(home, home_folder):
    del home.environ["HOME"]
    if home_folder is not None:
        home.environ["HOME"] = home_folder
    login = await home.credentials().look_up()
    assert (login.credential, login.is_named, login.warnings) == (None, False, ())
