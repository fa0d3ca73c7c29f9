"""Where logins are searched: the order of the places, near misses, and places that cannot be read."""

import codecs
import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.docker_home import ANN, ENTRY, PLACES, REGISTRY, Home, packed, set_helper_timeout

from crawler.auth import login_files
from crawler.auth.credentials import Credential
from crawler.auth.docker_config import DockerCredentials
from crawler.errors import CredentialsError
from crawler.model.names import Target

# ----------------------------------------------------------------------------------------------------- the order


async def test_login_in_docker_auth_config_goes_before_every_file(home):
    home.environ["DOCKER_AUTH_CONFIG"] = json.dumps({"auths": {REGISTRY: packed("variable", "x")}})
    home.environ["REGISTRY_AUTH_FILE"] = str(home.folder / "nothing.json")
    home.write({"auths": {REGISTRY: ENTRY}})
    assert await home.credentials().get() == Credential("variable", "x")


@pytest.mark.parametrize("mark", ["\ufeff", " \n"])
async def test_login_in_docker_auth_config_may_begin_with_a_byte_order_mark_or_blanks(home, mark):
    home.environ["DOCKER_AUTH_CONFIG"] = mark + json.dumps({"auths": {REGISTRY: ENTRY}})
    assert await home.credentials().get() == ANN


@pytest.mark.parametrize("content", ["", " \n"])
async def test_login_in_docker_auth_config_that_is_empty_is_ignored(home, content):
    home.environ["DOCKER_AUTH_CONFIG"] = content
    home.write({"auths": {REGISTRY: ENTRY}})
    assert await home.credentials().get() == ANN


async def test_login_in_docker_auth_config_for_another_registry_leaves_the_files(home):
    home.environ["DOCKER_AUTH_CONFIG"] = json.dumps({"auths": {"quay.io": packed("variable", "x")}})
    home.write({"auths": {REGISTRY: ENTRY}})
    assert await home.credentials().get() == ANN


async def test_login_files_of_a_folder_are_searched_in_order(home):
    names = ["config.json", ".dockerconfigjson", ".dockercfg"]
    home.environ["DOCKER_CONFIG"] = str(home.folder / "docker")
    for name in reversed(names):
        home.write({"auths": {REGISTRY: packed(name, "x")}}, f"docker/{name}")
        assert await home.credentials().get() == Credential(name, "x")


async def test_login_file_dockercfg_comes_last(home):
    home.write({REGISTRY: packed("legacy", "x")}, ".dockercfg")
    assert await home.credentials().get() == Credential("legacy", "x")
    home.write({"auths": {REGISTRY: ENTRY}})
    assert await home.credentials().get() == ANN


async def test_login_file_dockercfg_may_have_other_members(home):
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
async def test_login_file_is_legacy_only_by_its_content(home, config):
    home.write(config)
    assert await home.credentials().get() is None


async def test_login_file_dockercfg_that_is_malformed_is_named(home):
    file = home.write({REGISTRY: {"auth": "!!!"}}, ".dockercfg")
    with pytest.raises(CredentialsError, match=f"^{file}: auth is not the base64"):
        await home.credentials().get()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
async def test_login_file_in_utf_16_is_a_plain_error(home, encoding):
    file = home.write("")
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    file.write_bytes(mark + json.dumps({"auths": {REGISTRY: ENTRY}}).encode(encoding))
    with pytest.raises(CredentialsError, match=f"^{file}: the text is UTF-16, .* save it as UTF-8$"):
        await home.credentials().get()


# ---------------------------------------------------------------------------------------------------- near misses


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
async def test_login_near_miss_is_another_spelling_of_the_registry(home, target, key, shown, config):
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
async def test_login_near_miss_is_never_another_host(home, target, key):
    home.write({"auths": {key: ENTRY}})
    assert (await home.credentials(target).look_up()).near_misses == ()


async def test_login_near_miss_is_ignored_beside_a_match(home):
    home.write({"auths": {f"{REGISTRY}:5000": packed("bob", "x"), REGISTRY: ENTRY}})
    login = await home.credentials().look_up()
    assert (login.credential, login.near_misses) == (ANN, ())


async def test_login_search_skips_a_credsstore_that_hangs(home, monkeypatch):
    set_helper_timeout(monkeypatch, 1)
    home.write({"credsStore": "hanging"})
    home.helper("hanging", "exec /bin/sleep 1000")
    login = await home.credentials().look_up()
    assert (login.credential, login.is_named) == (None, False)
    assert login.failures == ("docker-credential-hanging did not answer within 1 s",)


# ------------------------------------------------------------------------------------- places that cannot be read


@pytest.fixture
def reachable():
    """A home that every user of this machine can read."""
    folder = Path(tempfile.mkdtemp(prefix="registry-crawler-"))
    folder.chmod(0o755)
    yield Home(folder)
    shutil.rmtree(folder)


@contextmanager
def closed(path):
    """Deny everyone the file or folder: root, too, who becomes another user meanwhile."""
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
    ("place", "what", "skipped"),
    [
        (".docker/config.json", ".docker/config.json", {".docker/config.json"}),
        (".docker/config.json", ".docker", {".docker/config.json", ".docker/.dockerconfigjson"}),
        (".dockercfg", ".dockercfg", {".dockercfg"}),
        ("run/containers/auth.json", "run", {"run/containers/auth.json"}),
        ("xdg/containers/auth.json", "xdg", {"xdg/containers/auth.json"}),
    ],
)
async def test_login_place_that_cannot_be_read_is_skipped(reachable, place, what, skipped):
    home = reachable
    home.environ |= {"XDG_RUNTIME_DIR": str(home.folder / "run"), "XDG_CONFIG_HOME": str(home.folder / "xdg")}
    home.write({"auths": {REGISTRY: ENTRY}}, place)
    with closed(home.folder / what):
        login = await home.credentials().look_up()
    assert (login.credential, login.is_named) == (None, False)
    assert set(login.warnings) == {
        f"{home.folder / path} cannot be read and is skipped (Permission denied)" for path in skipped
    }


async def test_login_after_an_unreadable_place_is_found(reachable):
    reachable.write({"auths": {REGISTRY: packed("podman", "x")}}, ".config/containers/auth.json")
    reachable.write({"auths": {REGISTRY: ENTRY}})
    with closed(reachable.folder / ".config"):
        login = await reachable.credentials().look_up()
    assert login.credential == ANN
    assert len(login.warnings) == 1


async def test_login_in_an_unreadable_home_folder_is_none(reachable):
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
async def test_login_place_named_by_a_variable_must_be_readable(reachable, variable, named, what):
    reachable.write({"auths": {REGISTRY: ENTRY}}, f"{named}/config.json" if variable == "DOCKER_CONFIG" else named)
    reachable.environ[variable] = str(reachable.folder / named)
    with closed(reachable.folder / what), pytest.raises(CredentialsError, match=rf"^{variable} .*Permission denied"):
        await reachable.credentials().get()


async def test_login_of_a_session_in_an_unreadable_folder_is_no_warning(reachable, monkeypatch):
    folder = reachable.folder / "run" / "containers"
    folder.mkdir(parents=True)
    with closed(folder):
        monkeypatch.setattr(login_files, "_RUNTIME_FOLDER", folder.parent)
        login = await DockerCredentials(Target(REGISTRY), environ={}).look_up()
    assert (login.credential, login.warnings) == (None, ())


@pytest.mark.parametrize("home_folder", [None, "", "/nowhere/at/all"])
async def test_login_without_a_home_folder_is_none(home, home_folder):
    del home.environ["HOME"]
    if home_folder is not None:
        home.environ["HOME"] = home_folder
    login = await home.credentials().look_up()
    assert (login.credential, login.is_named, login.warnings) == (None, False, ())


@pytest.mark.parametrize("first", range(len(PLACES)))
async def test_login_of_the_first_file_with_an_entry_wins(home_with_all_places, first):
    for place in PLACES[:first]:
        home_with_all_places.write({"auths": {"other.example.com": ENTRY, REGISTRY: {}}}, place)
    for place in PLACES[first:]:
        home_with_all_places.write({"auths": {REGISTRY: packed(place, "x")}}, place)
    assert await home_with_all_places.is_named()
    assert await home_with_all_places.credentials().get() == Credential(PLACES[first], "x")


async def test_login_files_are_in_the_home_folder_by_default(home):
    home.write({"auths": {"both.example.com": packed("podman", "x")}}, ".config/containers/auth.json")
    home.write({"auths": {"both.example.com": ENTRY, "docker.example.com": ENTRY}})
    assert await home.credentials("both.example.com").get() == Credential("podman", "x")
    assert await home.credentials("docker.example.com").get() == ANN


async def test_login_folder_of_docker_config_replaces_the_one_in_the_home_folder(home):
    home.write({"auths": {REGISTRY: ENTRY}})
    home.environ["DOCKER_CONFIG"] = str(home.folder / "docker")
    (home.folder / "docker").mkdir()
    assert await home.credentials().get() is None


@pytest.mark.parametrize("variable", ["REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_CONFIG_HOME"])
async def test_login_variable_that_is_empty_is_ignored(home, variable):
    home.write({"auths": {REGISTRY: ENTRY}})
    home.environ[variable] = ""
    assert await home.credentials().get() == ANN


async def test_login_without_any_file_is_none(home):
    (home.folder / ".docker").write_text("a file where the folder would be")
    for environ in (home.environ, {}):
        credentials = DockerCredentials(Target(REGISTRY), environ=environ)
        assert not (await credentials.look_up()).is_named
        assert await credentials.get() is None


@pytest.mark.parametrize("content", ["", " \n"])
async def test_login_file_that_is_empty_has_no_entries(home, content):
    home.write(content)
    assert await home.credentials().get() is None


# ------------------------------------------------------------------------------------- podman's login of a session


@pytest.fixture
def run_folder(tmp_path, monkeypatch):
    """The folder in place of /run, where podman keeps a session's logins without XDG_RUNTIME_DIR."""
    monkeypatch.setattr(login_files, "_RUNTIME_FOLDER", tmp_path / "run")
    return tmp_path / "run"


def write_login(file, name):
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"auths": {REGISTRY: packed(name, "x")}}))


async def test_login_of_podmans_session_goes_before_the_users_file(home, run_folder):
    write_login(run_folder / f"containers/{os.getuid()}/auth.json", "session")
    write_login(home.folder / ".config/containers/auth.json", "user")
    assert await home.credentials().get() == Credential("session", "x")


async def test_login_of_podmans_session_is_in_xdg_runtime_dir_where_that_is_set(home, run_folder):
    write_login(run_folder / f"containers/{os.getuid()}/auth.json", "run")
    write_login(home.folder / "session" / "containers/auth.json", "session")
    home.environ["XDG_RUNTIME_DIR"] = str(home.folder / "session")
    assert await home.credentials().get() == Credential("session", "x")


async def test_login_of_another_users_session_is_ignored(home, run_folder):
    write_login(run_folder / f"containers/{os.getuid() + 1}/auth.json", "other")
    assert await home.credentials().get() is None
