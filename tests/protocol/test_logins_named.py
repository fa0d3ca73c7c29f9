"""Which login a crawl uses: one that is named and missing never becomes an anonymous crawl. Run as a command."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.run_cli import CommandResult, CommandRunner
from support.scripted import ScriptedServer, basic_registry, plain_registry, serve
from support.snapshots import folders, read_snapshot

SECRET = "hunter2-and-more"
PACKED = b64encode(f"bob:{SECRET}".encode()).decode()
ENTRY = {"auth": PACKED}
UNSET = ("DOCKER_AUTH_CONFIG", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME")
ANONYMOUS_HINT = "--auth anonymous crawls without a login"


@dataclass(slots=True)
class Case:
    """A registry, and a user with a home folder and programs. `{at}` in written files is the registry's host."""

    command: CommandRunner
    server: ScriptedServer
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.command.folder

    def write(self, place: str, content: object) -> Path:
        file = self.home / place
        file.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content)
        file.write_text(text.replace("{at}", self.server.host), encoding="utf-8")
        return file

    def program(self, name: str, script: str) -> None:
        self.write(f"bin/{name}", f"#!/bin/sh\n{script}\n").chmod(0o755)

    async def crawl(self, *arguments: object) -> CommandResult:
        environment = {
            **dict.fromkeys(UNSET, ""),
            "PATH": f"{self.home}/bin:/usr/bin:/bin",
            "REGISTRY_CRAWLER_LIMITS__ATTEMPTS": "1",
            **{name: value.format(at=self.server.host, home=self.home) for name, value in self.environment.items()},
        }
        crawl = ("crawl", self.server.host, "--no-progress", "--output", self.home / "out")
        ended = await self.command(*crawl, *arguments, environment=environment)
        assert SECRET not in ended.out + ended.err
        assert PACKED not in ended.out + ended.err
        return ended

    @property
    def identity(self) -> str:
        return str(read_snapshot(self.home / "out").manifest["identity"])

    @property
    def authorizations(self) -> set[str | None]:
        return {asked.authorization for asked in self.server.requests}

    def messages(self, ended: CommandResult) -> list[str]:
        """The messages beside the summary, each without the name of the target."""
        start = f"registry-crawler: {self.server.host}: "
        lines = [line for line in ended.err.splitlines() if line.startswith("registry-crawler: ")]
        assert all(line.startswith(start) for line in lines), ended.err
        return [line.removeprefix(start) for line in lines]


@pytest.fixture
async def closed(command) -> AsyncIterator[Case]:
    """A registry that requires a login."""
    async with serve(basic_registry()) as server:
        yield Case(command, server)


@pytest.fixture
async def public(command) -> AsyncIterator[Case]:
    """A registry that lists something to anonymous crawls, where a missing login goes unnoticed."""
    async with serve(plain_registry()) as server:
        yield Case(command, server)


# A variable that names a login which is not there

MISPLACED = {
    "REGISTRY_AUTH_FILE names no file": (
        {"REGISTRY_AUTH_FILE": "{home}/nothing.json"},
        "REGISTRY_AUTH_FILE names {home}/nothing.json, and there is no such file: ",
    ),
    "REGISTRY_AUTH_FILE names a folder": (
        {"REGISTRY_AUTH_FILE": "{home}/secret"},
        "REGISTRY_AUTH_FILE names {home}/secret, and the file cannot be read (Is a directory): ",
    ),
    "DOCKER_CONFIG names the file": (
        {"DOCKER_CONFIG": "{home}/secret/config.json"},
        "DOCKER_CONFIG names {home}/secret/config.json, which is not a folder: ",
    ),
    "DOCKER_CONFIG is not mounted": (
        {"DOCKER_CONFIG": "{home}/nothing"},
        "DOCKER_CONFIG names {home}/nothing, and there is no such folder: ",
    ),
    "DOCKER_CONFIG is below a file": (
        {"DOCKER_CONFIG": "{home}/secret/config.json/deeper"},
        "DOCKER_CONFIG names {home}/secret/config.json/deeper, and there is no such folder: ",
    ),
    "DOCKER_CONFIG has a folder for a file": (
        {"DOCKER_CONFIG": "{home}/bound"},
        "DOCKER_CONFIG names {home}/bound, and {home}/bound/config.json cannot be read (Is a directory): ",
    ),
}


@pytest.fixture
def misplaced(public) -> Case:
    login = {"auths": {"{at}": ENTRY}}
    public.write("secret/config.json", login)
    public.write(".docker/config.json", login)
    (public.home / "bound" / "config.json").mkdir(parents=True)
    return public


@pytest.mark.parametrize(("environment", "message"), MISPLACED.values(), ids=MISPLACED)
async def test_login_named_by_a_variable_must_exist(misplaced, environment, message):
    misplaced.environment |= environment
    ended = await misplaced.crawl()
    assert ended.code == 1
    (line,) = misplaced.messages(ended)
    assert line.startswith(message.format(home=misplaced.home))
    assert line.endswith(ANONYMOUS_HINT)
    assert not misplaced.server.requests
    assert not folders(misplaced.home / "out")


async def test_login_named_by_a_variable_must_exist_for_docker_config(misplaced):
    misplaced.environment["REGISTRY_AUTH_FILE"] = "{home}/nothing.json"
    ended = await misplaced.crawl("--auth", "docker-config")
    assert ended.code == 1
    assert "REGISTRY_AUTH_FILE" in ended.complaint


async def test_login_named_by_a_variable_is_ignored_with_anonymous(misplaced):
    misplaced.environment |= {"REGISTRY_AUTH_FILE": "{home}/nothing.json", "DOCKER_CONFIG": "{home}/nothing"}
    ended = await misplaced.crawl("--auth", "anonymous")
    assert (ended.code, misplaced.messages(ended), misplaced.identity) == (0, [], "anonymous")


async def test_login_named_by_a_variable_is_ignored_with_a_username(misplaced):
    misplaced.environment |= {"REGISTRY_AUTH_FILE": "{home}/nothing.json", "DOCKER_CONFIG": "{home}/nothing"}
    password = misplaced.write("password", "another-password")
    ended = await misplaced.crawl("--username", "ann", "--password-file", password)
    assert (ended.code, misplaced.messages(ended), misplaced.identity) == (0, [], "basic: ann")


async def test_login_folder_without_a_login_is_a_warning(public):
    (public.home / "secret").mkdir()
    public.environment["DOCKER_CONFIG"] = "{home}/secret"
    ended = await public.crawl()
    assert (ended.code, public.identity) == (0, "anonymous")
    folder = public.home / "secret"
    assert public.messages(ended) == [
        f"DOCKER_CONFIG names {folder}, which has no config.json, .dockerconfigjson or .dockercfg"
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PACKED, "DOCKER_AUTH_CONFIG is not a JSON object: set it to the content of a config.json, not to a path "),
        (f'["{PACKED}"]', "DOCKER_AUTH_CONFIG is not a JSON object: "),
        (f'{{{{"auths": {{{{"{{at}}": {{{{"auth": "{PACKED}"', "DOCKER_AUTH_CONFIG: the content is not JSON"),
        (f'{{{{"auths": "{SECRET}"}}}}', "DOCKER_AUTH_CONFIG: auths is not an object"),
    ],
    ids=["base64", "a list", "cut", "no entries"],
)
async def test_login_in_a_variable_that_is_malformed_is_never_quoted(public, content, message):
    public.environment["DOCKER_AUTH_CONFIG"] = content
    ended = await public.crawl()
    assert ended.code == 1
    (line,) = public.messages(ended)
    assert line.startswith(message)


# A login that nearly fits


async def test_login_for_another_port_is_a_warning(public):
    file = public.write(".docker/config.json", {"auths": {"127.0.0.1:1": ENTRY}})
    ended = await public.crawl()
    assert (ended.code, public.identity, public.authorizations) == (0, "anonymous", {None})
    near = f"there is a login for 127.0.0.1:1 in {file}, and none for {public.server.host}"
    assert public.messages(ended) == [f"{near}: crawling as anonymous"]

    ended = await public.crawl("--auth", "docker-config")
    assert ended.code == 1
    assert ended.complaint.endswith(near)


async def test_login_for_another_host_is_no_warning(public):
    public.write(".docker/config.json", {"auths": {"quay.io": ENTRY}, "credHelpers": {"gcr.io": "gcloud"}})
    ended = await public.crawl()
    assert (ended.code, public.messages(ended), public.identity) == (0, [], "anonymous")


async def test_login_without_its_password_is_a_warning(public):
    """Docker's file of a machine with a credential store, copied to a machine without."""
    file = public.write(".docker/config.json", {"auths": {"{at}": {}}})
    ended = await public.crawl()
    assert (ended.code, public.identity) == (0, "anonymous")
    (line,) = public.messages(ended)
    assert line.startswith(f"{file} has an entry for {public.server.host} without a password")


# Where logins are found

LOGIN = {"auths": {"{at}": ENTRY}}
LEGACY = {"{at}": {**ENTRY, "email": "bob@example.com"}}
ANSWER = json.dumps({"Username": "bob", "Secret": SECRET})
BOM = "\ufeff"

PLACES = {
    "DOCKER_AUTH_CONFIG": (
        {},
        {"DOCKER_AUTH_CONFIG": f'{{{{"auths": {{{{"{{at}}": {{{{"auth": "{PACKED}"}}}}}}}}}}}}'},
    ),
    "REGISTRY_AUTH_FILE": ({"secret/auth.json": LOGIN}, {"REGISTRY_AUTH_FILE": "{home}/secret/auth.json"}),
    "a pull secret": ({"secret/.dockerconfigjson": LOGIN}, {"DOCKER_CONFIG": "{home}/secret"}),
    "a pull secret at home": ({".docker/.dockerconfigjson": LOGIN}, {}),
    "a legacy pull secret": ({"secret/.dockercfg": LEGACY}, {"DOCKER_CONFIG": "{home}/secret"}),
    "a legacy file by another name": ({"secret/x.json": LEGACY}, {"REGISTRY_AUTH_FILE": "{home}/secret/x.json"}),
    "a new file by the legacy name": ({".dockercfg": LOGIN}, {}),
    "a legacy file at home": ({".docker/config.json": {"psFormat": "table"}, ".dockercfg": LEGACY}, {}),
    "a byte order mark": ({".docker/config.json": BOM + json.dumps(LOGIN)}, {}),
    "a store alone": ({".docker/config.json": {"credsStore": "one"}}, {}),
}


@pytest.mark.parametrize(("files", "environment"), PLACES.values(), ids=PLACES)
async def test_login_is_found_in_every_place_and_named(closed, files, environment):
    for place, content in files.items():
        closed.write(place, content)
    closed.program("docker-credential-one", f"echo '{ANSWER}'")
    closed.environment |= environment
    ended = await closed.crawl()
    assert (ended.code, closed.messages(ended), closed.identity) == (0, [], "docker-config: bob")
    assert f"Basic {PACKED}" in closed.authorizations


# A store for every registry, in a file that names no registry

STORES = {
    "not installed": (None, "{file} names docker-credential-one, which is not on the PATH: crawling as anonymous"),
    "failing": (
        "echo the keychain is locked; exit 1",
        "docker-credential-one failed with status 1: the keychain is locked: crawling as anonymous",
    ),
    "without this login": ("echo credentials not found in native keychain; exit 1", None),
    "without this login, on stderr": ("echo credentials not found. >&2; exit 1", None),
    "with an empty answer": ("""echo '{{"ServerURL":"","Username":"","Secret":""}}'""", None),
}


@pytest.mark.parametrize(("script", "message"), STORES.values(), ids=STORES)
async def test_login_credsstore_without_a_login_is_harmless(public, script, message):
    file = public.write(".docker/config.json", {"credsStore": "one", "auths": {}})
    if script is not None:
        public.program("docker-credential-one", script.format())
    ended = await public.crawl()
    assert (ended.code, public.identity) == (0, "anonymous")
    assert public.messages(ended) == ([] if message is None else [message.format(file=file)])


async def test_login_credsstore_that_fails_does_not_hide_the_next_file(closed):
    file = closed.write(".config/containers/auth.json", {"credsStore": "one"})
    closed.write(".docker/config.json", LOGIN)
    ended = await closed.crawl()
    assert (ended.code, closed.identity) == (0, "docker-config: bob")
    assert closed.messages(ended) == [f"{file} names docker-credential-one, which is not on the PATH"]


async def test_login_credsstore_of_a_named_registry_must_work(public):
    public.write(".docker/config.json", {"credsStore": "one", "auths": {"{at}": {}}})
    ended = await public.crawl()
    assert ended.code == 1
    assert "docker-credential-one, which is not on the PATH" in ended.complaint
    public.program("docker-credential-one", "echo credentials not found in native keychain; exit 1")
    ended = await public.crawl()
    assert ended.code == 1
    assert "no docker or podman login" in ended.complaint
