"""The man page, and the completions of bash, zsh and fish, from the commands as they are.

`make manual` writes them into `.share/`, from where the wheel takes them.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import typer

from crawler.cli.commands import app
from crawler.model.run_manifest import VERSION

PROGRAM: Final = "registry-crawler"

_EXIT_CODES: Final = (
    ("0", "The snapshot is complete, or it is partial and --partial-ok was given."),
    ("1", "Could not run; nothing was published."),
    ("2", "Bad usage or configuration, or a file named there cannot be read."),
    ("3", "The snapshot is published, but partial."),
    ("4", "--fail-on of audit or diff found something."),
    ("130, 143", "Interrupted by SIGINT or SIGTERM; rerun with --resume to continue."),
)
_ENVIRONMENT: Final = (
    (
        "REGISTRY_CRAWLER_KEY",
        "A key of the configuration, its parts joined by two underscores: REGISTRY_CRAWLER_LIMITS__CONCURRENCY.",
    ),
    ("REGISTRY_CRAWLER_USERNAME, REGISTRY_CRAWLER_PASSWORD", "Credentials, where no file should have them."),
    ("SSL_CERT_FILE, REQUESTS_CA_BUNDLE", "CA certificates, if --ca-file is not given."),
    ("HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY", "Proxies."),
    ("NO_COLOR", "No colours, if it is set."),
)


_ZSH_END: Final = """
if [ "$funcstack[1]" = "_registry-crawler" ]; then
  _registry_crawler_completion "$@"
fi
"""
"""zsh loads the file at the first completion as a function, which has to complete then."""

_CHANGED: Final = "2026-11-27"
"""The date of the page, without which mandoc warns: when its form was last changed."""


def manual_files() -> dict[str, str]:
    """Every file of the manual by its path below `.share`."""
    completions = {
        "bash-completion/completions/registry-crawler": "bash",
        "fish/vendor_completions.d/registry-crawler.fish": "fish",
        "zsh/site-functions/_registry-crawler": "zsh",
    }
    files = {path: _completion(shell) for path, shell in completions.items()}
    return {"man/man1/registry-crawler.1": man_page(), **files}


def man_page() -> str:
    """The man page of the command and all its subcommands, for troff with the man macros."""
    lines = [
        f'.TH REGISTRY-CRAWLER 1 {_CHANGED} "registry-crawler {VERSION}" "User Commands"',
        ".SH NAME",
        r"registry-crawler \- nightly snapshots of whole container registries",
        ".SH SYNOPSIS",
        rf".B {_roff(PROGRAM)}",
        r"\fICOMMAND\fR [\fIOPTION\fR ...] [\fIARGUMENT\fR ...]",
        ".SH DESCRIPTION",
        *_paragraphs(app.info.help or ""),
        "Data goes to standard output, messages for people go to standard error.",
        ".SH COMMANDS",
        *_commands(typer.main.get_command(app), PROGRAM),
        ".SH EXIT STATUS",
        *_definitions(_EXIT_CODES),
        ".SH ENVIRONMENT",
        *_definitions(_ENVIRONMENT),
    ]
    return "\n".join(lines) + "\n"


def _commands(group: Any, path: str) -> Iterator[str]:
    context = typer.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from _commands(command, f"{path} {name}")
        else:
            yield from _command(command, f"{path} {name}")


def _command(command: Any, path: str) -> Iterator[str]:
    context = command.context_class(command, info_name=path, color=False, max_content_width=120)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f".SS {_roff(f'{path} {usage}')}"
    yield from _paragraphs(command.help or "")
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and "--help" not in parameter.opts:
            yield from _definitions([record])


def _definitions(entries: Any) -> Iterator[str]:
    for term, meaning in entries:
        yield from (".TP", rf"\fB{_roff(term)}\fR", _roff(re.sub(r"\s+", " ", meaning)))


def _paragraphs(text: str) -> Iterator[str]:
    """Paragraphs of a help text; those after a backspace keep their lines. A heading comes before the first one."""
    for number, paragraph in enumerate(re.split(r"\n\s*\n", text.strip("\n"))):
        yield from [".PP"] if number else []
        lines = [line for line in paragraph.split("\n") if line.strip(" \b")]
        if paragraph.lstrip("\n").startswith("\b"):
            first, *rest = lines
            yield from (_roff(first.strip("\b")), ".RS 4", ".nf", *map(_roff, rest), ".fi", ".RE")
        else:
            yield _roff(re.sub(r"\s+", " ", " ".join(lines)))


def _roff(text: str) -> str:
    r"""A line of text for troff: hyphens that can be copied, and no line that begins as a request does."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-").replace("…", r"\[u2026]")
    return rf"\&{escaped}" if escaped.startswith((".", "'")) else escaped


def _completion(shell: str) -> str:
    """What the installed command prints for a shell."""
    printed = subprocess.run(  # noqa: S603  (this very program)
        [str(Path(sys.executable).with_name(PROGRAM))],
        env={**os.environ, "_REGISTRY_CRAWLER_COMPLETE": f"source_{shell}"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    script = printed.stdout.strip()
    return f"{script}\n{_ZSH_END if shell == 'zsh' else ''}"


def write_manual(folder: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_manual(Path(sys.argv[1]), manual_files())
