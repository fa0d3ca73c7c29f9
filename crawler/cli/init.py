"""`registry-crawler init`: a commented configuration, from three questions or from flags."""

import os
import shlex
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from crawler.cli import logs
from crawler.cli.error_output import exit_on_error
from crawler.cli.options import KeyFile, LogFormatOption, PasswordFile, Username
from crawler.cli.streams import write_text
from crawler.errors import ConfigError, SnapshotError
from crawler.model.auth_method import AuthMethod
from crawler.untrusted_text import LONGEST_PATH, printable, quoted_path

if TYPE_CHECKING:
    from crawler.deploy.first_config import Answers, AuthChoice

_DEFAULT_OUTPUT: Final = "snapshots"

TargetOption = Annotated[
    str | None, typer.Option("--target", metavar="TARGET", help="HOST[:PORT][/PREFIX], such as gcr.io/my-project")
]
AuthOption = Annotated[
    AuthMethod | None,
    typer.Option(
        "--auth", metavar="METHOD", help=f"Authentication method: {', '.join(AuthMethod)}  [default: by registry]"
    ),
]
OutputOption = Annotated[
    str | None, typer.Option("--output", metavar="DIR", help=f"Folder for snapshots  [default: {_DEFAULT_OUTPUT}]")
]
FileOption = Annotated[Path, typer.Option("--file", metavar="FILE", help="The configuration file to write")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace the file if it exists")]


def init(
    target: TargetOption = None,
    auth: AuthOption = None,
    key_file: KeyFile = None,
    username: Username = None,
    password_file: PasswordFile = None,
    output: OutputOption = None,
    file: FileOption = Path("config.toml"),
    force: ForceOption = False,
    log_format: LogFormatOption = logs.LogFormat.TEXT,
) -> None:
    """Write a first configuration, with comments.

    Asks three questions on a terminal, and none with --target. Passwords are never asked for: the configuration names
    the file that has one.

    Exit code: 0 written, 1 the file cannot be written, 2 bad usage, or the file exists.

    \b
    Example:
      registry-crawler init --target gcr.io/my-project --key-file key.json
    """  # noqa: D301  (typer keeps the line breaks of a paragraph after \b)
    from crawler.deploy.first_config import Answers, first_config

    logs.configure(log_format, verbosity=0)
    with exit_on_error():
        if file.exists() and not force:
            raise ConfigError([f"{quoted_path(file)} exists: --force replaces it, --file FILE writes another one"])
        if target is None:
            _require_terminal()
            answers = _ask(auth, key_file, username, password_file, output)
        else:
            answers = Answers(
                target=target,
                method=auth,
                key_file=key_file,
                username=username,
                password_file=password_file,
                output=_DEFAULT_OUTPUT if output is None else output,
            )
        _write(file, first_config(answers, file.name))
        word = printable(shlex.quote(str(file)), LONGEST_PATH)
        logs.notice(f"{quoted_path(file)} is written; try it: registry-crawler doctor --config {word}")


def _require_terminal() -> None:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfigError(["--target: there is no terminal to ask on: give --target HOST[:PORT][/PREFIX]"])


def _ask(
    auth: AuthMethod | None, key_file: Path | None, username: str | None, password_file: Path | None, output: str | None
) -> "Answers":
    """Ask the three questions; those about credentials and the folder only if no flag answers them."""
    from crawler.deploy.first_config import Answers

    target = _ask_target()
    if auth is None and key_file is None and username is None:
        choice = _ask_choice(target)
        auth = choice.method
        key_file = _ask_file("  Key file") if "key_file" in choice.needs else None
        username = _prompt("  Username") if "username" in choice.needs else None
        if "password_file" in choice.needs and password_file is None:
            password_file = _ask_file("  File with the password")
    if output is None:
        output = _prompt("Folder for snapshots", _DEFAULT_OUTPUT)
    return Answers(
        target=target,
        method=auth,
        key_file=key_file,
        username=username,
        password_file=password_file,
        output=output,
    )


def _ask_target() -> str:
    from crawler.deploy.first_config import auth_choices

    while True:
        target = _prompt("Registry, HOST[:PORT][/PREFIX], such as gcr.io/my-project")
        try:
            auth_choices(target)
        except ConfigError as exc:
            write_text(f"  {exc}")
        else:
            return target


def _ask_choice(target: str) -> "AuthChoice":
    from crawler.deploy.first_config import auth_choices

    choices = auth_choices(target)
    write_text("How to authenticate:")
    for number, choice in enumerate(choices, start=1):
        write_text(f"  {number}  {choice.label}")
    while True:
        answer = _prompt("Number", "1")
        if answer.isdecimal() and 1 <= int(answer) <= len(choices):
            return choices[int(answer) - 1]
        write_text(f"  a number from 1 to {len(choices)}")


def _ask_file(question: str) -> Path:
    while True:
        path = Path(_prompt(question))
        try:
            Path(os.path.expanduser(path)).open("rb").close()  # noqa: PTH111  (as config/values.py expands it)
        except OSError as exc:
            write_text(f"  {quoted_path(path)} cannot be read: {exc.strerror}; make it first, then answer again")
        else:
            return path


def _prompt(question: str, default: str = "") -> str:
    """Ask on standard error until there is an answer; an empty one is the default. Raises Abort at the end of input."""
    suffix = f" [{default}]" if default else ""
    while True:
        print(f"{question}{suffix}: ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            raise typer.Abort
        if answer := line.strip() or default:
            return answer


def _write(file: Path, text: str) -> None:
    """Write the file in one rename, so that a full disk leaves the old one as it is."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    except OSError as exc:
        raise SnapshotError(f"{quoted_path(file)} cannot be written: {exc.strerror}") from None
    try:
        os.fchmod(descriptor, 0o644)  # it holds no secret
        with open(descriptor, "w", encoding="utf-8") as out:  # noqa: PTH123  (a descriptor)
            out.write(text)
        Path(name).replace(file)
    except OSError as exc:
        with suppress(OSError):
            Path(name).unlink()
        raise SnapshotError(f"{quoted_path(file)} cannot be written: {exc.strerror}") from None
