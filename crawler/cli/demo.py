"""`registry-crawler demo`: a crawl of an embedded registry, which runs only during the demo."""

import logging
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from crawler.cli import logs
from crawler.cli.error_output import report_error
from crawler.cli.exit_codes import COULD_NOT_RUN
from crawler.cli.process import raise_on_signals
from crawler.errors import CrawlerError
from crawler.model.run_manifest import source_folder

OUTPUT_FOLDER: Final = Path("registry-crawler-demo")
"""Where snapshots of the demo go: not among real ones."""

_FIRST_RECORD_COMMANDS: Final = {
    ".jsonl": "head -n 1 {}",
    ".gz": "gzip -dc {} | head -n 1",
    ".zst": "zstd -dc {} | head -n 1",
}


def demo(
    context: typer.Context,
    repositories: Annotated[
        int, typer.Option(metavar="N", min=0, help="Number of repositories in the registry")
    ] = 2000,
) -> None:
    """Crawl an embedded Google registry, which runs only during the demo.

    Takes every option of crawl. The snapshot goes to the folder registry-crawler-demo; two of its records are printed
    to standard output.

    \b
    Example:
      registry-crawler demo --repositories 10 --output - | jq -r .repository
    """  # noqa: D301  (typer keeps the line breaks of a paragraph after \b)
    raise_on_signals()
    root = context.find_root()
    with _key_folder() as folder:
        key_file = Path(folder) / "key.json"
        with _embedded_registry(repositories, key_file, logs.requested_format(context.args)) as registry:
            logs.notice(f"an embedded Google registry of {repositories:,} repositories is at {registry}", logging.INFO)
            # options of the command line come last, so they override these
            crawl = [
                "crawl",
                registry,
                f"--key-file={key_file}",
                f"--output={OUTPUT_FOLDER}",
                "--show=2",
                *context.args,
            ]
            code = root.command.main(crawl, prog_name=root.info_name, standalone_mode=False)
    for line in _next_steps(registry):
        logs.notice(line, logging.INFO)
    raise typer.Exit(code)


def _key_folder() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="registry-crawler-")
    except OSError:
        message = "the demo cannot write its key to a temporary folder: set TMPDIR to a folder that can be written"
        report_error(CrawlerError(message), COULD_NOT_RUN)


@contextmanager
def _embedded_registry(repositories: int, key_file: Path, log_format: logs.LogFormat) -> Iterator[str]:
    """Run the embedded registry in a process of its own; yield its HOST:PORT."""
    options = ["--port=0", f"--repositories={repositories}", f"--key-file={key_file}", f"--log-format={log_format}"]
    command = [sys.executable, "-m", "crawler", "emulator", *options, "--until-stdin-ends"]
    with subprocess.Popen(  # noqa: S603  (this program)
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        registry = process.stdout.readline().partition(" ")[0]
        if not registry:  # the emulator has printed why
            raise typer.Exit(process.wait())
        yield registry


def _next_steps(registry: str) -> Sequence[str]:
    """Return where the snapshot is, and commands to try; nothing where the snapshot went to another folder."""
    parts = sorted((OUTPUT_FOLDER / source_folder(registry)).glob("date=*/run=*/part-*"))
    if not parts:
        return ()
    newest = parts[-1]
    return (
        f"the embedded registry has stopped; the snapshot is in the folder {OUTPUT_FOLDER}",
        f"try: {_FIRST_RECORD_COMMANDS[newest.suffix].format(shlex.quote(str(newest)))}",
        "try: registry-crawler emulator  # runs until it is stopped, and prints commands to crawl it",
    )
