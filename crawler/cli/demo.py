"""`registry-crawler demo`: a crawl of an embedded registry, started for the occasion."""

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
from crawler.cli.process import unwind_on_signals
from crawler.errors import CrawlerError
from crawler.model.run_manifest import source_folder

FOLDER: Final = Path("registry-crawler-demo")
"""Where its snapshots go: not among real ones."""

_FIRST_LINE: Final = {".jsonl": "head -n 1 {}", ".gz": "gzip -dc {} | head -n 1", ".zst": "zstd -dc {} | head -n 1"}


def demo(
    context: typer.Context,
    repositories: Annotated[int, typer.Option(metavar="N", min=0, help="How many repositories it holds")] = 2000,
) -> None:
    """Crawl an embedded Google registry, started for the occasion.

    Takes every option of crawl. Snapshots go to the folder registry-crawler-demo, and two of the records to standard
    output.

    \b
    Example:
      registry-crawler demo --repositories 10 --output - | jq -r .repository
    """  # noqa: D301  (the escape keeps the line of the example)
    unwind_on_signals()
    whole = context.find_root()
    with _folder_for_key() as folder:
        key_file = Path(folder) / "key.json"
        with _embedded(repositories, key_file, logs.format_of(context.args)) as registry:
            logs.notice(f"an embedded Google registry of {repositories:,} repositories is at {registry}", logging.INFO)
            # what is given on the command line comes last, and wins
            crawl = ["crawl", registry, f"--key-file={key_file}", f"--output={FOLDER}", "--show=2", *context.args]
            code = whole.command.main(crawl, prog_name=whole.info_name, standalone_mode=False)
    for line in _afterwards(registry):
        logs.notice(line, logging.INFO)
    raise typer.Exit(code)


def _folder_for_key() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="registry-crawler-")
    except OSError:
        wrong = "the demo needs a temporary folder for its key, and none can be written: set TMPDIR to one that can"
        report_error(CrawlerError(wrong), COULD_NOT_RUN)


@contextmanager
def _embedded(repositories: int, key_file: Path, log_format: logs.LogFormat) -> Iterator[str]:
    """The embedded registry in a process of its own; gives its address."""
    options = ["--port=0", f"--repositories={repositories}", f"--key-file={key_file}", f"--log-format={log_format}"]
    command = [sys.executable, "-m", "crawler", "emulator", *options, "--until-stdin-ends"]
    with subprocess.Popen(  # noqa: S603  (ourselves)
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        registry = process.stdout.readline().partition(" ")[0]
        if not registry:  # it has said why
            raise typer.Exit(process.wait())
        yield registry


def _afterwards(registry: str) -> Sequence[str]:
    """Where the snapshot is, and commands that work without the registry; nothing where it went elsewhere."""
    parts = sorted((FOLDER / source_folder(registry)).glob("date=*/run=*/part-*"))
    if not parts:
        return ()
    newest = parts[-1]
    return (
        f"the embedded registry has stopped; its snapshot is kept in the folder {FOLDER}",
        f"try: {_FIRST_LINE[newest.suffix].format(shlex.quote(str(newest)))}",
        "try: registry-crawler emulator  # serves until it is stopped, and says how to crawl it",
    )
