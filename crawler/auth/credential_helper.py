"""Asking a credential helper for a login: `docker-credential-NAME get`.

Follows docker/docker-credential-helpers: the server's URL on standard input, a JSON object with `Username` and `Secret`
on standard output.
"""

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

MAX_OUTPUT_BYTES: Final = 64 * 1024
"""The largest output of a helper that is accepted."""

TIMEOUT_S: Final = 30.0
"""How long a helper may run: one that waits for a person to unlock a keychain must not stop a nightly run."""

_NOT_FOUND: Final = b"credentials not found"
"""How the message for an unknown server begins (credentials/error.go: "credentials not found in native keychain").

Some helpers write it to standard error.
"""


@dataclass(frozen=True, slots=True)
class Helper:
    """A credential helper to ask.

    Attributes:
        name: NAME of the program `docker-credential-NAME`.
        server: what the helper is asked for, as docker spells it.
        named_in: the login file or variable that names the helper, for messages.
    """

    name: str
    server: str
    named_in: str

    @property
    def program(self) -> str:
        return f"docker-credential-{self.name}"


@dataclass(frozen=True, slots=True)
class _Result:
    """The exit status of a helper, and the first MAX_OUTPUT_BYTES + 1 bytes of each of its outputs."""

    status: int
    out: bytes
    err: bytes


async def get_credential(helper: Helper, environ: Mapping[str, str]) -> Credential | None:
    """The helper's login for its server, None where it has none.

    `environ` is the helper's environment, without the crawler's own variables; its PATH is searched for the program.
    Raises CredentialsError, which never quotes what may be a secret.
    """
    path = await anyio.to_thread.run_sync(_find_program, helper, environ, abandon_on_cancel=True)
    try:
        with anyio.fail_after(TIMEOUT_S):
            result = await _run((path, "get"), helper.server.encode(), _clean_environment(environ))
    except TimeoutError:
        raise CredentialsError(f"{helper.program} did not answer within {TIMEOUT_S:g} s") from None
    except OSError as exc:
        raise CredentialsError(f"{helper.program} cannot be started: {exc.strerror}") from None
    return _parse_output(helper.program, result)


def _clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without the crawler's own variables: one of them may hold the password of another registry."""
    return {name: value for name, value in environ.items() if not name.upper().startswith(ENVIRONMENT_PREFIX)}


def _find_program(helper: Helper, environ: Mapping[str, str]) -> str:
    path = shutil.which(helper.program, path=environ.get("PATH", ""))
    if path is None:
        raise CredentialsError(f"{helper.named_in} names {helper.program}, which is not on the PATH")
    return path


async def _run(command: tuple[str, ...], stdin: bytes, environ: Mapping[str, str]) -> _Result:
    """Run a program to its end; when cancelled, kill it and its children. Raises OSError where it cannot be started."""
    # Not cancelled while the program starts: then there would be no process whose group could be killed. The program
    # leads a new session, hence a process group of its own.
    with anyio.CancelScope(shield=True):
        process = await anyio.open_process(command, env=environ, start_new_session=True)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    out, err = bytearray(), bytearray()
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_write_input, process.stdin, stdin)
            group.start_soon(_read_output, process.stdout, out)
            group.start_soon(_read_output, process.stderr, err)
            status = await process.wait()
    except BaseException:
        # Kill the group, not the process: many helpers are shell scripts, whose children do the work and would go on.
        # Where all have ended already, Linux raises the first error and macOS the second.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        raise
    finally:
        with anyio.CancelScope(shield=True):
            await process.aclose()
    return _Result(status, bytes(out), bytes(err))


async def _write_input(stream: ByteSendStream, data: bytes) -> None:
    # a helper that reads no input may have ended, or closed it
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        await stream.send(data)
        await stream.aclose()


async def _read_output(stream: ByteReceiveStream, output: bytearray) -> None:
    async for chunk in stream:
        output += chunk[: MAX_OUTPUT_BYTES + 1 - len(output)]  # read on, so that the helper does not block


def _parse_output(program: str, result: _Result) -> Credential | None:
    if result.status != 0:
        if any(output.strip().startswith(_NOT_FOUND) for output in (result.out, result.err)):
            return None
        raise CredentialsError(f"{program} failed with status {result.status}: {_error_message(result)}")
    if len(result.out) > MAX_OUTPUT_BYTES:
        raise CredentialsError(f"{program} wrote more than {MAX_OUTPUT_BYTES} bytes")
    try:
        output = orjson.loads(result.out)
    except orjson.JSONDecodeError:
        raise CredentialsError(f"{program} did not write JSON") from None
    match output:
        case {"Username": str(name), "Secret": str(secret)}:
            return checked_credential(name, secret)
    raise CredentialsError(f"{program} wrote no Username and Secret")


def _error_message(result: _Result) -> str:
    """The first line of a failed helper's output: of standard output by the protocol, else of standard error.

    A line with a brace is left out: it may be a login with its secret.
    """
    for output in (result.out, result.err):
        line = output.decode(errors="replace").strip().partition("\n")[0]
        if line and "{" not in line:
            return printable(line.strip())
    return "no reason that can be shown"


def checked_credential(name: str, password: str) -> Credential | None:
    """The credential; None where the name or the password is empty, which docker and podman take for no login."""
    return Credential(name, password) if name and password else None
