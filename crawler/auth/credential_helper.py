"""A program that keeps secrets: `docker-credential-NAME get`, as docker/docker-credential-helpers has it."""

import os
import shutil
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import anyio
import anyio.to_thread
import orjson
from anyio.abc import ByteReceiveStream, ByteSendStream

from crawler.auth.credentials import Credential
from crawler.config.environment import ENVIRONMENT_PREFIX
from crawler.errors import CredentialsError
from crawler.untrusted_text import printable

HELPER_CAP: Final = 64 * 1024
"""The bytes that are kept of what a helper says."""

_NOT_FOUND: Final = b"credentials not found"
"""How docker-credential-helpers begins; most say "in native keychain", and some say it on standard error."""


@dataclass(frozen=True, slots=True)
class Helper:
    """A program that knows the secret of `server`, and in words what names it: a file or a variable."""

    name: str
    server: str
    named_in: str

    @property
    def program(self) -> str:
        return f"docker-credential-{self.name}"


@dataclass(frozen=True, slots=True)
class _Ended:
    """How a helper ended: its exit status, and at most a byte more than HELPER_CAP of each of its outputs."""

    status: int
    out: bytes
    err: bytes


async def get_credential(helper: Helper, environ: Mapping[str, str], timeout_s: float) -> Credential | None:
    """Who the helper says to be, or None where it knows nobody for its server.

    `environ` is its environment, but for our own variables, and says where programs are. Raises CredentialsError, never
    with what may be a secret.
    """
    path = await anyio.to_thread.run_sync(_find_program, helper, environ, abandon_on_cancel=True)
    try:
        with anyio.fail_after(timeout_s):
            ended = await _run((path, "get"), helper.server.encode(), _clean_environment(environ))
    except TimeoutError:
        raise CredentialsError(f"{helper.program} gave no answer within {timeout_s:g} s") from None
    except OSError as fault:
        raise CredentialsError(f"{helper.program} cannot be started: {fault.strerror}") from None
    return _parse_output(helper.program, ended)


def _clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without our own variables, of which one may hold the password to another registry."""
    return {name: value for name, value in environ.items() if not name.upper().startswith(ENVIRONMENT_PREFIX)}


def _find_program(helper: Helper, environ: Mapping[str, str]) -> str:
    path = shutil.which(helper.program, path=environ.get("PATH", ""))
    if path is None:
        raise CredentialsError(f"{helper.named_in} names {helper.program}, which is not on the PATH")
    return path


async def _run(command: tuple[str, ...], question: bytes, environ: Mapping[str, str]) -> _Ended:
    """Run a program to its end, or kill it and whatever it started. Raises OSError where it cannot be started."""
    with anyio.CancelScope(shield=True):  # a program that is half started could only be killed without its children
        process = await anyio.open_process(command, env=environ, start_new_session=True)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    out, err = bytearray(), bytearray()
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_write_input, process.stdin, question)
            group.start_soon(_read_output, process.stdout, out)
            group.start_soon(_read_output, process.stderr, err)
            status = await process.wait()
    except BaseException:
        # many helpers are shell scripts: their own death would leave the program running that does the work
        with suppress(ProcessLookupError, PermissionError):  # all dead; the latter is macOS's word for it
            os.killpg(process.pid, signal.SIGKILL)
        raise
    finally:
        with anyio.CancelScope(shield=True):
            await process.aclose()
    return _Ended(status, bytes(out), bytes(err))


async def _write_input(stream: ByteSendStream, question: bytes) -> None:
    # a helper that needs no question may have gone before it was asked
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        await stream.send(question)
        await stream.aclose()


async def _read_output(stream: ByteReceiveStream, heard: bytearray) -> None:
    async for chunk in stream:
        heard += chunk[: HELPER_CAP + 1 - len(heard)]


def _parse_output(program: str, ended: _Ended) -> Credential | None:
    if ended.status != 0:
        if any(said.strip().startswith(_NOT_FOUND) for said in (ended.out, ended.err)):
            return None
        raise CredentialsError(f"{program} failed with status {ended.status}: {_error_message(ended)}")
    if len(ended.out) > HELPER_CAP:
        raise CredentialsError(f"{program} answered more than {HELPER_CAP} bytes")
    try:
        answer = orjson.loads(ended.out)
    except orjson.JSONDecodeError:
        raise CredentialsError(f"{program} did not answer in JSON") from None
    match answer:
        case {"Username": str(name), "Secret": str(secret)}:
            return checked_credential(name, secret)
    raise CredentialsError(f"{program} answered without a Username and a Secret")


def _error_message(ended: _Ended) -> str:
    """The first line that a helper failed with: on its standard output by the protocol, else where programs have it.

    A line with a brace may be an answer with its secret, and is kept back.
    """
    for said in (ended.out, ended.err):
        line = said.decode(errors="replace").strip().partition("\n")[0]
        if line and "{" not in line:
            return printable(line.strip())
    return "it gave no reason that can be shown"


def checked_credential(name: str, password: str) -> Credential | None:
    """As docker and podman have it, a name without a password is nobody, and so is a password without a name."""
    return Credential(name, password) if name and password else None
