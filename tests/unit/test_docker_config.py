"""Docker's and podman's files, and helpers that are real processes."""

import asyncio
import json
import os
import sys
import traceback
from base64 import b64encode

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.docker_home import ANN, ENTRY, REGISTRY, SECRET, packed

from crawler.auth.credential_helper import HELPER_CAP
from crawler.auth.credentials import BEARER_TOKEN_USER, IDENTITY_TOKEN_USER, Credential
from crawler.auth.docker_config import DockerCredentials
from crawler.errors import CredentialsError
from crawler.model.names import Target

HUB_SERVER = "https://index.docker.io/v1/"
ANSWER = json.dumps({"ServerURL": REGISTRY, "Username": ANN.name, "Secret": ANN.password})
NOT_FOUND = "credentials not found in native keychain"

fuzz = settings(max_examples=150)


def answering(name, password):
    return f"echo '{json.dumps({'Username': name, 'Secret': password})}'"


async def refusal(credentials):
    """The words of the error, which holds no secret, however it is shown."""
    with pytest.raises(CredentialsError) as caught:
        await credentials.get()
    for secret in (SECRET, ENTRY["auth"]):
        assert secret not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


# What is written down


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
async def test_every_form_of_a_key_is_found(home, key):
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
async def test_another_registrys_entry_is_not_ours(home, key):
    home.write({"auths": {key: ENTRY}})
    assert await home.credentials().get() is None


@pytest.mark.parametrize("key", ["localhost:5000", "https://localhost:5000/v2/", "http://localhost:5000"])
async def test_a_port_is_part_of_the_key(home, key):
    home.write({"auths": {"localhost": packed("bob", "x"), key: ENTRY}})
    assert await home.credentials("localhost:5000").get() == ANN


@pytest.mark.parametrize("target", ["docker.io", "index.docker.io", "registry-1.docker.io"])
@pytest.mark.parametrize(
    "key", [HUB_SERVER, "docker.io", "index.docker.io", "registry-1.docker.io", "https://registry-1.docker.io/v2/"]
)
async def test_docker_hub_is_one_registry_by_all_its_names(home, target, key):
    home.write({"auths": {key: ENTRY}})
    assert await home.credentials(target).get() == ANN


async def test_docker_hubs_own_key_goes_before_the_pieces_of_its_login(home):
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
async def test_podmans_most_specific_key_wins(home, target, name):
    keys = {"quay.io/team": "team", "quay.io": "host", "quay.io/team/app/": "app"}
    home.write({"auths": {key: packed(whose, "x") for key, whose in keys.items()}}, ".config/containers/auth.json")
    assert await home.credentials(target).get() == Credential(name, "x")


async def test_a_key_narrower_than_the_target_is_not_for_it(home):
    home.write({"auths": {"quay.io/team/app": ENTRY}})
    assert await home.credentials("quay.io/team").get() is None
    assert not await home.is_named("quay.io/team")


async def test_docker_hubs_names_hold_for_namespaces_too(home):
    home.write({"auths": {"docker.io": packed("host", "x"), "docker.io/team": ENTRY}})
    assert await home.credentials("registry-1.docker.io/team").get() == ANN


@pytest.mark.parametrize(
    ("entry", "user"),
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
async def test_every_form_of_an_entry_is_read(home, entry, user):
    home.write({"auths": {REGISTRY: entry}})
    assert await home.credentials().get() == user
    assert await home.is_named()


@pytest.mark.parametrize(
    "entry",
    [None, {}, {"auth": ""}, {"auth": None}, {"email": "ann@example.com"}, {"username": "ann"}, packed("ann", "")],
)
async def test_an_empty_entry_is_none(home, entry):
    home.write({"auths": {f"https://{REGISTRY}": entry}})
    assert await home.credentials().get() is None
    assert not await home.is_named()


async def test_an_empty_entry_does_not_hide_another(home):
    home.write({"auths": {f"{REGISTRY}/team": {}, REGISTRY: {}, f"https://{REGISTRY}": ENTRY}})
    assert await home.credentials(f"{REGISTRY}/team").get() == ANN


@given(
    name=st.text(st.characters(codec="utf-8", exclude_characters=":"), min_size=1),
    password=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1),
)
@fuzz
def test_every_name_and_password_is_had_as_it_was_packed(tmp_path_factory, name, password):
    file = tmp_path_factory.getbasetemp() / "packed.json"
    file.write_text(json.dumps({"auths": {REGISTRY: packed(name, password)}}))
    credentials = DockerCredentials(Target(REGISTRY), environ={"REGISTRY_AUTH_FILE": str(file)})
    assert asyncio.run(credentials.get()) == Credential(name, password)


# Where it is written


PLACES = (
    "registry-auth.json",
    "docker/config.json",
    "run/containers/auth.json",
    "xdg/containers/auth.json",
)


@pytest.fixture
def everywhere(home):
    """A home whose environment names every place."""
    for variable, place in [
        ("REGISTRY_AUTH_FILE", "registry-auth.json"),
        ("DOCKER_CONFIG", "docker"),
        ("XDG_RUNTIME_DIR", "run"),
        ("XDG_CONFIG_HOME", "xdg"),
    ]:
        home.environ[variable] = str(home.folder / place)
    return home


@pytest.mark.parametrize("first", range(len(PLACES)))
async def test_the_first_file_that_has_an_entry_wins(everywhere, first):
    for place in PLACES[:first]:
        everywhere.write({"auths": {"other.example.com": ENTRY, REGISTRY: {}}}, place)
    for place in PLACES[first:]:
        everywhere.write({"auths": {REGISTRY: packed(place, "x")}}, place)
    assert await everywhere.is_named()
    assert await everywhere.credentials().get() == Credential(PLACES[first], "x")


async def test_without_their_variables_the_files_are_sought_at_home(home):
    home.write({"auths": {"both.example.com": packed("podman", "x")}}, ".config/containers/auth.json")
    home.write({"auths": {"both.example.com": ENTRY, "docker.example.com": ENTRY}})
    assert await home.credentials("both.example.com").get() == Credential("podman", "x")
    assert await home.credentials("docker.example.com").get() == ANN


async def test_docker_config_stands_in_the_place_of_the_folder_at_home(home):
    home.write({"auths": {REGISTRY: ENTRY}})
    home.environ["DOCKER_CONFIG"] = str(home.folder / "docker")
    (home.folder / "docker").mkdir()
    assert await home.credentials().get() is None


@pytest.mark.parametrize("variable", ["REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_CONFIG_HOME"])
async def test_an_empty_variable_is_as_good_as_none(home, variable):
    home.write({"auths": {REGISTRY: ENTRY}})
    home.environ[variable] = ""
    assert await home.credentials().get() == ANN


async def test_without_any_file_there_is_nobody(home):
    (home.folder / ".docker").write_text("a file where the folder would be")
    for environ in (home.environ, {}):
        credentials = DockerCredentials(Target(REGISTRY), environ=environ)
        assert not (await credentials.look_up()).is_named
        assert await credentials.get() is None


@pytest.mark.parametrize("content", ["", " \n"])
async def test_an_empty_file_has_no_entries(home, content):
    home.write(content)
    assert await home.credentials().get() is None


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
async def test_a_malformed_file_is_named_and_never_shown(home, content):
    file = home.write(content)
    words = await refusal(home.credentials())
    assert words.startswith(f"{file}: ")
    assert "hunter2" not in words
    with pytest.raises(CredentialsError):
        await home.credentials().look_up()


async def test_a_file_that_cannot_be_read_is_named(home):
    home.docker.mkdir(parents=True)
    assert await refusal(home.credentials()) == f"{home.docker}: the file cannot be read: Is a directory"


async def test_what_is_malformed_elsewhere_in_the_file_does_not_concern_us(home):
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


def looked_up(file, target):
    """What a lookup says and finds, where the only error may be ours."""

    async def look():
        credentials = DockerCredentials(Target.parse(target), environ={"REGISTRY_AUTH_FILE": str(file)})
        login, user = await credentials.look_up(), await credentials.get()
        assert login.is_named or user is None
        return user

    try:
        return "", asyncio.run(look())
    except CredentialsError as error:
        return str(error), None


@given(config=configs)
@fuzz
def test_whatever_json_the_file_holds_there_is_a_value_or_an_error_of_ours(tmp_path_factory, config):
    file = tmp_path_factory.getbasetemp() / "any.json"
    file.write_text(json.dumps(config))
    said, user = looked_up(file, f"{REGISTRY}/team/app")
    assert said.isprintable()
    assert user is None or (isinstance(user, Credential) and user.name and user.password)


@given(content=st.binary())
@fuzz
def test_whatever_bytes_the_file_holds_there_is_a_value_or_an_error_of_ours(tmp_path_factory, content):
    file = tmp_path_factory.getbasetemp() / "bytes.json"
    file.write_bytes(content)
    said, user = looked_up(file, REGISTRY)
    assert said.isprintable()
    assert user is None


# Helpers


async def test_a_helper_is_asked(home):
    home.write({"credHelpers": {REGISTRY: "one"}})
    home.helper("one", f"[ $# = 1 ] && [ $1 = get ] && echo '{ANSWER}'")
    assert await home.credentials().get() == ANN


@pytest.mark.parametrize(
    ("config", "target", "server"),
    [
        ({"credHelpers": {REGISTRY: "echo"}}, REGISTRY, REGISTRY),
        ({"credHelpers": {f"https://{REGISTRY}": "echo"}}, REGISTRY, f"https://{REGISTRY}"),
        ({"credsStore": "echo"}, REGISTRY, REGISTRY),
        ({"credsStore": "echo"}, "localhost:5000/team", "localhost:5000"),
        ({"credsStore": "echo"}, "docker.io", HUB_SERVER),
        ({"credHelpers": {HUB_SERVER: "echo"}}, "registry-1.docker.io", HUB_SERVER),
        ({"credHelpers": {"docker.io": "echo"}}, "registry-1.docker.io", "docker.io"),
    ],
)
async def test_a_helper_hears_the_registry_and_nothing_more(home, config, target, server):
    home.write(config)
    script = "import json, sys\nprint(json.dumps({'Username': 'heard', 'Secret': ascii(sys.stdin.buffer.read())}))"
    home.helper("echo", script, sys.executable)
    assert await home.credentials(target).get() == Credential("heard", ascii(server.encode()))


async def test_a_helper_lives_in_the_environment_that_was_given(home, monkeypatch):
    monkeypatch.setenv("OURS", "leaked")
    home.environ["THEIRS"] = "given"
    home.write({"credsStore": "env"})
    home.helper("env", """echo '{"Username": "u", "Secret": "'"$THEIRS-$OURS"'"}'""")
    assert await home.credentials().get() == Credential("u", "given-")


async def test_an_identity_token_of_a_helper_keeps_its_name(home):
    home.write({"credsStore": "one"})
    home.helper("one", answering("<token>", "t0ken"))
    assert await home.credentials().get() == Credential(IDENTITY_TOKEN_USER, "t0ken")


async def test_a_helper_of_its_own_goes_before_the_store_and_both_before_what_is_written(home):
    config = {"credsStore": "store", "auths": {REGISTRY: packed("written", "x"), "b.example.com": packed("b", "x")}}
    home.write({**config, "credHelpers": {REGISTRY: "own"}})
    home.helper("own", answering("own", "x"))
    home.helper("store", answering("store", "x"))
    assert await home.credentials().get() == Credential("own", "x")
    assert await home.credentials("b.example.com").get() == Credential("store", "x")


async def test_an_empty_name_keeps_a_registry_out_of_the_store(home):
    home.write({"credsStore": "store", "credHelpers": {REGISTRY: ""}, "auths": {REGISTRY: ENTRY}})
    home.noting("store", answering("store", "x"))
    assert await home.credentials().get() == ANN
    assert home.runs("store") == 0


@pytest.mark.parametrize("script", [f"echo '{NOT_FOUND}'; exit 1", answering("", "")])
async def test_where_a_helper_knows_nothing_what_is_written_counts(home, script):
    home.write({"credsStore": "one", "auths": {REGISTRY: ENTRY}})
    home.helper("one", script)
    assert await home.credentials().get() == ANN


async def test_where_a_helper_knows_nothing_the_next_file_counts(everywhere):
    everywhere.write({}, "registry-auth.json")
    everywhere.write({"credsStore": "one"}, "docker/config.json")
    everywhere.write({"auths": {REGISTRY: ENTRY}}, "xdg/containers/auth.json")
    everywhere.helper("one", f"echo '{NOT_FOUND}'; exit 1")
    assert await everywhere.credentials().get() == ANN


async def test_where_a_helper_knows_nothing_and_nothing_is_written_there_is_nobody(home):
    home.write({"credsStore": "one"})
    home.noting("one", f"echo '{NOT_FOUND}'; exit 1")
    credentials = home.credentials()
    assert [await credentials.get() for _ in range(3)] == [None] * 3
    assert home.runs("one") == 1


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo; echo the keychain is locked; echo more; exit 1", "status 1: the keychain is locked"),
        ("echo the keychain is locked >&2; exit 3", "status 3: the keychain is locked"),
        ("echo on stdout; echo on stderr >&2; exit 1", "status 1: on stdout"),
        (r"printf 'red \033[31m alert'; exit 1", r"status 1: red \x1b[31m alert"),
        (r"printf '\377\n'; exit 1", "status 1: �"),
        ("exit 1", "status 1: it gave no reason that can be shown"),
        (f"echo '{ANSWER}'; exit 1", "status 1: it gave no reason that can be shown"),
        (f"echo '{ANSWER}'; echo the disk is full >&2; exit 1", "status 1: the disk is full"),
        (f"set -x; echo '{ANSWER}'; exit 1", "status 1: it gave no reason that can be shown"),
        ("kill -9 $$", "status -9: it gave no reason that can be shown"),
    ],
)
async def test_a_helper_that_fails_is_named_with_its_reason(home, script, said):
    home.write({"credsStore": "one", "auths": {REGISTRY: ENTRY}})
    home.helper("one", script)
    assert await refusal(home.credentials()) == f"docker-credential-one failed with {said}"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("", "did not answer in JSON"),
        (f"echo 'the secret is {SECRET}'", "did not answer in JSON"),
        (f"printf '%s' '{ANSWER[:-1]}'", "did not answer in JSON"),
        (f"echo '{ANSWER}' '{ANSWER}'", "did not answer in JSON"),
        (r"printf '\377'", "did not answer in JSON"),
        (f"""echo '["{SECRET}"]'""", "answered without a Username and a Secret"),
        (f"""echo '{{"Secret": "{SECRET}"}}'""", "answered without a Username and a Secret"),
        (f"""echo '{{"Username": "{SECRET}"}}'""", "answered without a Username and a Secret"),
        (f"""echo '{{"Username": "u", "Secret": ["{SECRET}"]}}'""", "answered without a Username and a Secret"),
    ],
)
async def test_a_helper_that_answers_nonsense_is_named_without_it(home, script, said):
    home.write({"credsStore": "one"})
    home.helper("one", script)
    assert await refusal(home.credentials()) == f"docker-credential-one {said}"


@pytest.mark.parametrize(("spare", "fits"), [(0, True), (1, False), (1_000_000, False)])
async def test_an_answer_has_a_cap(home, spare, fits):
    home.write({"credsStore": "one"})
    length = HELPER_CAP + spare
    script = f"import sys\nsys.stderr.write('x' * {length})\nsys.stdout.write({ANSWER!r}.ljust({length}))"
    home.helper("one", script, sys.executable)
    if fits:
        assert await home.credentials().get() == ANN
    else:
        assert await refusal(home.credentials()) == f"docker-credential-one answered more than {HELPER_CAP} bytes"


async def test_a_helper_need_not_listen(home):
    home.write({"credsStore": "one"})
    home.helper("one", f"exec 0<&-\necho '{ANSWER}'")
    assert await home.credentials().get() == ANN


async def test_a_helper_that_is_missing_is_named(home):
    file = home.write({"credsStore": "one"})
    said = f"{file} names docker-credential-one, which is not on the PATH"
    assert await refusal(home.credentials()) == said
    home.helper("one", f"echo '{ANSWER}'")
    (home.programs / "docker-credential-one").chmod(0o644)
    assert await refusal(home.credentials()) == said
    del home.environ["PATH"]
    assert await refusal(home.credentials()) == said


async def test_a_helper_that_cannot_be_started_is_named(home):
    home.write({"credsStore": "one"})
    home.helper("one", "", "/nowhere/at/all")
    said = "docker-credential-one cannot be started: No such file or directory"
    assert await refusal(home.credentials()) == said


@pytest.mark.parametrize("name", ["../evil", "/bin/evil", "a/b", ".", "..", "-rf", "a b", "a\n", "é", "a\u202eb"])
@pytest.mark.parametrize("config", [{"credsStore": None}, {"credHelpers": None}])
async def test_a_helpers_name_is_never_a_path(home, name, config):
    (member,) = config
    file = home.write({member: name if member == "credsStore" else {REGISTRY: name}, "auths": {REGISTRY: ENTRY}})
    words = await refusal(home.credentials())
    assert words.startswith(f"{file}: ")
    assert words.endswith("is not the name of a credential helper")
    assert words.isprintable()


@pytest.mark.parametrize("name", ["ecr-login", "gcloud", "osxkeychain", "desktop.exe", "secretservice", "my_0.1-x"])
async def test_helpers_names_as_they_are_found_are_taken(home, name):
    home.write({"credsStore": name})
    home.helper(name, f"echo '{ANSWER}'")
    assert await home.credentials().get() == ANN


# Helpers that hang


class Lifeline:
    """A pipe that a hanging helper and its child hold open for as long as either lives."""

    SCRIPT = 'exec 3>"{fifo}"\n/bin/sleep 1000 &\necho $$ $! >&3\n{then}'

    def __init__(self, home):
        self._home = home
        self._fifo = home.folder / "lifeline"
        os.mkfifo(self._fifo)
        self._reader = os.open(self._fifo, os.O_RDONLY | os.O_NONBLOCK)

    def hang(self, then="wait"):
        self._home.write({"credsStore": "hanging"})
        self._home.helper("hanging", self.SCRIPT.format(fifo=self._fifo, then=then))

    async def held(self):
        """Wait until the helper hangs."""
        await anyio.wait_readable(self._reader)

    def assert_cut(self):
        """Both had started and are dead, and the helper was reaped: its process number is free."""
        helper, _child = map(int, os.read(self._reader, 100).split())
        os.set_blocking(self._reader, True)
        assert os.read(self._reader, 1) == b""
        with pytest.raises(ProcessLookupError):
            os.kill(helper, 0)

    def close(self):
        os.close(self._reader)


@pytest.fixture
def lifeline(home):
    lifeline = Lifeline(home)
    yield lifeline
    lifeline.close()


@pytest.mark.parametrize("then", ["wait", "exit 0", "exec 1>&- 2>&-; wait"])
async def test_a_helper_that_hangs_is_killed_and_so_is_what_it_started(home, lifeline, then):
    lifeline.hang(then)
    words = await refusal(home.credentials(timeout_s=2))
    assert words == "docker-credential-hanging gave no answer within 2 s"
    lifeline.assert_cut()


async def test_a_helper_dies_with_who_asked(home, lifeline):
    lifeline.hang()
    async with anyio.create_task_group() as group:
        group.start_soon(home.credentials().get)
        await lifeline.held()
        group.cancel_scope.cancel()
    lifeline.assert_cut()


async def test_a_helper_that_never_ends_its_answer_is_killed(home, lifeline):
    lifeline.hang("while :; do echo y; done")
    assert "no answer within 2 s" in await refusal(home.credentials(timeout_s=2))
    lifeline.assert_cut()


def test_helpers_are_killed_under_uvloop_too(home, lifeline):
    uvloop = pytest.importorskip("uvloop")
    lifeline.hang()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(refusal(home.credentials(timeout_s=2)))
        home.write({"credsStore": "one"})
        home.helper("one", f"echo '{ANSWER}'")
        assert runner.run(home.credentials().get()) == ANN
    lifeline.assert_cut()


# Logins to a registry that a file names


@pytest.mark.parametrize(
    ("config", "is_named"),
    [
        ({}, False),
        ({"auths": {}, "credHelpers": {}, "credsStore": ""}, False),
        ({"auths": {REGISTRY: ENTRY}}, True),
        ({"auths": {"other.example.com": ENTRY}}, False),
        ({"credHelpers": {REGISTRY: "one"}}, True),
        ({"credHelpers": {REGISTRY: ""}}, False),
        ({"credHelpers": {"other.example.com": "one"}}, False),
        ({"credsStore": "one"}, False),
        ({"credsStore": "one", "auths": {"other.example.com": {}}}, False),
        ({"credsStore": "one", "auths": {f"https://{REGISTRY}": {}}}, True),
        ({"credsStore": "one", "auths": {REGISTRY: {}}, "credHelpers": {REGISTRY: ""}}, False),
    ],
)
async def test_a_store_alone_names_no_registry(home, config, is_named):
    home.write(config)
    home.helper("one", f"echo '{NOT_FOUND}'; exit 1")
    assert await home.is_named() is is_named


async def test_a_login_is_seen_in_any_of_the_files(home):
    home.write({"auths": {"other.example.com": ENTRY}}, ".config/containers/auth.json")
    home.write({"auths": {REGISTRY: ENTRY}})
    assert await home.is_named()


# One run for all, and another when it is refused


async def test_concurrent_needs_share_one_run(home):
    home.write({"credsStore": "one"})
    home.noting("one", f"echo '{ANSWER}'")
    credentials, users = home.credentials(), []

    async def need():
        users.append(await credentials.get())

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(need)
    await need()
    assert users == [ANN] * 21
    assert home.runs("one") == 1


async def test_a_failure_is_not_kept(home):
    home.write({"credsStore": "one"})
    home.helper("one", "exit 1")
    credentials = home.credentials()
    await refusal(credentials)
    home.helper("one", f"echo '{ANSWER}'")
    assert await credentials.get() == ANN


COUNTING = """while read -r _; do tally=I$tally; done <"$HOME/one.runs"
printf '{"Username": "u", "Secret": "%s"}' $tally"""


async def test_a_refused_token_is_renewed_once_for_all(home):
    home.write({"credsStore": "one"})
    home.noting("one", COUNTING)
    credentials, fresh = home.credentials(), []
    first = await credentials.get()
    assert first == Credential("u", "I")

    async def need():
        fresh.append(await credentials.refresh(first))

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(need)
    await need()
    assert fresh == [Credential("u", "II")] * 21
    assert await credentials.get() == Credential("u", "II")
    assert home.runs("one") == 2


async def test_a_helper_that_answers_the_same_again_has_nobody_else(home):
    home.write({"credsStore": "one"})
    home.noting("one", f"echo '{ANSWER}'")
    credentials = home.credentials()
    assert await credentials.refresh(await credentials.get()) is None
    assert await credentials.get() == ANN
    assert home.runs("one") == 2


async def test_a_new_login_is_found_after_a_refusal(home):
    home.write({"auths": {REGISTRY: packed("ann", "old")}})
    credentials = home.credentials()
    old = await credentials.get()
    home.write({"auths": {REGISTRY: ENTRY}})
    assert await credentials.get() == old
    assert await credentials.refresh(old) == ANN


async def test_after_a_logout_there_is_nobody_else(home):
    home.write({"auths": {REGISTRY: ENTRY}})
    credentials = home.credentials()
    user = await credentials.get()
    home.docker.unlink()
    assert await credentials.refresh(user) is None
    assert await credentials.get() is None
