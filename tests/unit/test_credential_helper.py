"""Credential helpers, which are real processes here: when they are asked, what they answer, and how they fail."""

import asyncio
import os
import sys

import anyio
import pytest
from support.docker_home import (
    ANN,
    ANSWER,
    ENTRY,
    HUB_SERVER,
    NOT_FOUND,
    REGISTRY,
    SECRET,
    answering,
    error_message,
    packed,
    set_helper_timeout,
)

from crawler.auth.credential_helper import MAX_OUTPUT_BYTES
from crawler.auth.credentials import IDENTITY_TOKEN_USER, Credential


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
async def test_credential_helper_credsstore_alone_names_no_registry(home, config, is_named):
    home.write(config)
    home.helper("one", f"echo '{NOT_FOUND}'; exit 1")
    assert await home.is_named() is is_named


async def test_credential_helper_login_is_found_in_any_file(home):
    home.write({"auths": {"other.example.com": ENTRY}}, ".config/containers/auth.json")
    home.write({"auths": {REGISTRY: ENTRY}})
    assert await home.is_named()


async def test_credential_helper_is_run_with_get(home):
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
async def test_credential_helper_reads_the_server_and_nothing_more(home, config, target, server):
    home.write(config)
    script = "import json, sys\nprint(json.dumps({'Username': 'heard', 'Secret': ascii(sys.stdin.buffer.read())}))"
    home.helper("echo", script, sys.executable)
    assert await home.credentials(target).get() == Credential("heard", ascii(server.encode()))


async def test_credential_helper_has_only_the_given_environment(home, monkeypatch):
    monkeypatch.setenv("OURS", "leaked")
    home.environ["THEIRS"] = "given"
    home.write({"credsStore": "env"})
    home.helper("env", """echo '{"Username": "u", "Secret": "'"$THEIRS-$OURS"'"}'""")
    assert await home.credentials().get() == Credential("u", "given-")


async def test_credential_helper_may_return_an_identity_token(home):
    home.write({"credsStore": "one"})
    home.helper("one", answering("<token>", "t0ken"))
    assert await home.credentials().get() == Credential(IDENTITY_TOKEN_USER, "t0ken")


async def test_credential_helper_of_the_registry_goes_before_credsstore_and_both_before_entries(home):
    config = {"credsStore": "store", "auths": {REGISTRY: packed("written", "x"), "b.example.com": packed("b", "x")}}
    home.write({**config, "credHelpers": {REGISTRY: "own"}})
    home.helper("own", answering("own", "x"))
    home.helper("store", answering("store", "x"))
    assert await home.credentials().get() == Credential("own", "x")
    assert await home.credentials("b.example.com").get() == Credential("store", "x")


async def test_credential_helper_with_an_empty_name_disables_credsstore(home):
    home.write({"credsStore": "store", "credHelpers": {REGISTRY: ""}, "auths": {REGISTRY: ENTRY}})
    home.counting_helper("store", answering("store", "x"))
    assert await home.credentials().get() == ANN
    assert home.runs("store") == 0


@pytest.mark.parametrize("script", [f"echo '{NOT_FOUND}'; exit 1", answering("", "")])
async def test_credential_helper_without_a_login_leaves_the_entry(home, script):
    home.write({"credsStore": "one", "auths": {REGISTRY: ENTRY}})
    home.helper("one", script)
    assert await home.credentials().get() == ANN


async def test_credential_helper_without_a_login_leaves_the_next_file(home_with_all_places):
    home_with_all_places.write({}, "registry-auth.json")
    home_with_all_places.write({"credsStore": "one"}, "docker/config.json")
    home_with_all_places.write({"auths": {REGISTRY: ENTRY}}, "xdg/containers/auth.json")
    home_with_all_places.helper("one", f"echo '{NOT_FOUND}'; exit 1")
    assert await home_with_all_places.credentials().get() == ANN


async def test_credential_helper_without_a_login_is_run_once(home):
    home.write({"credsStore": "one"})
    home.counting_helper("one", f"echo '{NOT_FOUND}'; exit 1")
    credentials = home.credentials()
    assert [await credentials.get() for _ in range(3)] == [None] * 3
    assert home.runs("one") == 1


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo; echo the keychain is locked; echo more; exit 1", "status 1: the keychain is locked"),
        ("echo the keychain is locked >&2; exit 3", "status 3: the keychain is locked"),
        ("echo on stdout; echo on stderr >&2; exit 1", "status 1: on stdout"),
        (r"printf 'red \033[31m alert'; exit 1", r"status 1: red \x1b[31m alert"),
        (r"printf '\377\n'; exit 1", "status 1: �"),
        ("exit 1", "status 1: no reason that can be shown"),
        (f"echo '{ANSWER}'; exit 1", "status 1: no reason that can be shown"),
        (f"echo '{ANSWER}'; echo the disk is full >&2; exit 1", "status 1: the disk is full"),
        (f"set -x; echo '{ANSWER}'; exit 1", "status 1: no reason that can be shown"),
        ("kill -9 $$", "status -9: no reason that can be shown"),
    ],
)
async def test_credential_helper_failure_is_named_with_its_reason(home, script, message):
    home.write({"credsStore": "one", "auths": {REGISTRY: ENTRY}})
    home.helper("one", script)
    assert await error_message(home.credentials()) == f"docker-credential-one failed with {message}"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("", "did not write JSON"),
        (f"echo 'the secret is {SECRET}'", "did not write JSON"),
        (f"printf '%s' '{ANSWER[:-1]}'", "did not write JSON"),
        (f"echo '{ANSWER}' '{ANSWER}'", "did not write JSON"),
        (r"printf '\377'", "did not write JSON"),
        (f"""echo '["{SECRET}"]'""", "wrote no Username and Secret"),
        (f"""echo '{{"Secret": "{SECRET}"}}'""", "wrote no Username and Secret"),
        (f"""echo '{{"Username": "{SECRET}"}}'""", "wrote no Username and Secret"),
        (f"""echo '{{"Username": "u", "Secret": ["{SECRET}"]}}'""", "wrote no Username and Secret"),
    ],
)
async def test_credential_helper_with_malformed_output_is_named_and_not_quoted(home, script, message):
    home.write({"credsStore": "one"})
    home.helper("one", script)
    assert await error_message(home.credentials()) == f"docker-credential-one {message}"


@pytest.mark.parametrize(("spare", "fits"), [(0, True), (1, False), (1_000_000, False)])
async def test_credential_helper_output_has_a_limit(home, spare, fits):
    home.write({"credsStore": "one"})
    length = MAX_OUTPUT_BYTES + spare
    script = f"import sys\nsys.stderr.write('x' * {length})\nsys.stdout.write({ANSWER!r}.ljust({length}))"
    home.helper("one", script, sys.executable)
    if fits:
        assert await home.credentials().get() == ANN
    else:
        assert (
            await error_message(home.credentials()) == f"docker-credential-one wrote more than {MAX_OUTPUT_BYTES} bytes"
        )


async def test_credential_helper_may_close_its_input(home):
    home.write({"credsStore": "one"})
    home.helper("one", f"exec 0<&-\necho '{ANSWER}'")
    assert await home.credentials().get() == ANN


async def test_credential_helper_that_is_missing_is_named(home):
    file = home.write({"credsStore": "one"})
    message = f"{file} names docker-credential-one, which is not on the PATH"
    assert await error_message(home.credentials()) == message
    home.helper("one", f"echo '{ANSWER}'")
    (home.programs / "docker-credential-one").chmod(0o644)
    assert await error_message(home.credentials()) == message
    del home.environ["PATH"]
    assert await error_message(home.credentials()) == message


async def test_credential_helper_that_cannot_be_started_is_named(home):
    home.write({"credsStore": "one"})
    home.helper("one", "", "/nowhere/at/all")
    message = "docker-credential-one cannot be started: No such file or directory"
    assert await error_message(home.credentials()) == message


@pytest.mark.parametrize("name", ["../evil", "/bin/evil", "a/b", ".", "..", "-rf", "a b", "a\n", "é", "a\u202eb"])
@pytest.mark.parametrize("config", [{"credsStore": None}, {"credHelpers": None}])
async def test_credential_helper_name_is_never_a_path(home, name, config):
    (member,) = config
    file = home.write({member: name if member == "credsStore" else {REGISTRY: name}, "auths": {REGISTRY: ENTRY}})
    message = await error_message(home.credentials())
    assert message.startswith(f"{file}: ")
    assert message.endswith("is not the name of a credential helper")
    assert message.isprintable()


@pytest.mark.parametrize("name", ["ecr-login", "gcloud", "osxkeychain", "desktop.exe", "secretservice", "my_0.1-x"])
async def test_credential_helper_names_in_use_are_accepted(home, name):
    home.write({"credsStore": name})
    home.helper(name, f"echo '{ANSWER}'")
    assert await home.credentials().get() == ANN


class Lifeline:
    """A pipe that a hanging helper and its child hold open as long as either lives."""

    SCRIPT = 'exec 3>"{fifo}"\n/bin/sleep 1000 &\necho $$ $! >&3\n{then}'

    def __init__(self, home):
        self._home = home
        self._fifo = home.folder / "lifeline"
        os.mkfifo(self._fifo)
        self._reader = os.open(self._fifo, os.O_RDONLY | os.O_NONBLOCK)

    def hang(self, then="wait"):
        self._home.write({"credsStore": "hanging"})
        self._home.helper("hanging", self.SCRIPT.format(fifo=self._fifo, then=then))

    async def wait_until_hanging(self):
        """Wait until the helper hangs."""
        await anyio.wait_readable(self._reader)

    def assert_killed(self):
        """Assert that both had started and have ended, and that the helper was reaped: its process id is free."""
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


@pytest.mark.slow
@pytest.mark.parametrize("then", ["wait", "exit 0", "exec 1>&- 2>&-; wait"])
async def test_credential_helper_timeout_kills_it_and_its_children(home, lifeline, then, monkeypatch):
    set_helper_timeout(monkeypatch, 2)
    lifeline.hang(then)
    message = await error_message(home.credentials())
    assert message == "docker-credential-hanging did not answer within 2 s"
    lifeline.assert_killed()


async def test_credential_helper_is_killed_when_its_caller_is_cancelled(home, lifeline):
    lifeline.hang()
    async with anyio.create_task_group() as group:
        group.start_soon(home.credentials().get)
        await lifeline.wait_until_hanging()
        group.cancel_scope.cancel()
    lifeline.assert_killed()


@pytest.mark.slow
async def test_credential_helper_timeout_ends_endless_output(home, lifeline, monkeypatch):
    set_helper_timeout(monkeypatch, 2)
    lifeline.hang("while :; do echo y; done")
    assert "not answer within 2 s" in await error_message(home.credentials())
    lifeline.assert_killed()


@pytest.mark.slow
def test_credential_helper_timeout_works_under_uvloop(home, lifeline, monkeypatch):
    set_helper_timeout(monkeypatch, 2)
    uvloop = pytest.importorskip("uvloop")
    lifeline.hang()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(error_message(home.credentials()))
        home.write({"credsStore": "one"})
        home.helper("one", f"echo '{ANSWER}'")
        assert runner.run(home.credentials().get()) == ANN
    lifeline.assert_killed()
