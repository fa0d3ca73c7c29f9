"""`registry-crawler doctor`: tries every step that a crawl needs, and says for each that fails what mends it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final, TextIO

import orjson
import typer

from crawler.cli.error_output import exit_on_error
from crawler.cli.exit_codes import COMPLETE, COULD_NOT_RUN, PARTIAL, worst_code
from crawler.cli.process import import_aiohttp
from crawler.cli.shared_options import TextOrJson
from crawler.cli.streams import data_output

if TYPE_CHECKING:
    from crawler.config import Config
    from crawler.doctor.step import State, Step


FormatOption = Annotated[
    TextOrJson, typer.Option("--format", help="Lines for people, or one JSON object for each target")
]

_WORDS: Final = {"ok": "ok", "warning": "WARN", "failure": "FAIL", "skipped": "skipped"}
_EXIT_CODES: Final = {"ok": COMPLETE, "warning": PARTIAL, "failure": COULD_NOT_RUN}
_VERDICTS: Final = {
    "ok": "a crawl would run",
    "warning": "a crawl would run; look at the warnings",
    "failure": "a crawl would not run",
}


def doctor(settings: "Config", form: FormatOption = TextOrJson.TEXT) -> None:
    """Try every step that a crawl of TARGET needs, and say for each that fails what mends it.

    Takes every option of crawl. A few requests are sent, and nothing is kept: network, clock, credentials, names, one
    listing, what --depth and --referrers ask for, the output folder, the lake, open files and memory.

    Exit code: 0 a crawl would run, 1 it would not, 2 bad usage or configuration, 3 it would run, with warnings.

    \b
    Examples:
      registry-crawler doctor gcr.io/my-project --key-file key.json
      registry-crawler doctor --config config.toml --format json
    """  # noqa: D301  (typer keeps the line breaks of a paragraph after \b)
    import_aiohttp()
    from crawler.cli.event_loop import run_async

    with exit_on_error(), data_output() as out:
        code = run_async(_examine_all, settings, _PRINTERS[form](out))
    raise typer.Exit(code)


class _TextPrinter:
    """A line for each step, as soon as it has ended; one for all steps in a row that were skipped for one reason."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._skipped: list[Step] = []

    def begin(self, target: str) -> None:
        self._print(target)

    def step(self, step: "Step") -> None:
        if self._skipped and self._skipped[0].finding != step.finding:
            self._print_skipped()
        if step.finding.state == "skipped":
            self._skipped.append(step)
            return
        self._print(f"  {_WORDS[step.finding.state]:<8} {step.name:<19} {step.finding.found}")
        if step.finding.advice:
            self._print(f"  {'':<8} {'':<19} -> {step.finding.advice}")

    def end(self, target: str, state: "State", steps: list["Step"]) -> None:  # noqa: ARG002  (they are printed)
        self._print_skipped()
        self._print(f"{target}: {_VERDICTS[state]}")

    def _print_skipped(self) -> None:
        if not self._skipped:
            return
        names = ", ".join(step.name for step in self._skipped)
        self._print(f"  {_WORDS['skipped']:<8} {names:<19} {self._skipped[0].finding.found}")
        self._skipped.clear()

    def _print(self, line: str) -> None:
        print(line, file=self._out, flush=True)


class _JsonPrinter:
    """One object, in one line, for each target."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def begin(self, target: str) -> None:
        """Nothing is printed before the end."""

    def step(self, step: "Step") -> None:
        """Nothing is printed before the end."""

    def end(self, target: str, state: "State", steps: list["Step"]) -> None:
        described = [
            {"name": step.name, "state": step.finding.state, "found": step.finding.found, "advice": step.finding.advice}
            for step in steps
        ]
        document: dict[str, Any] = {"target": target, "state": state, "would_run": state != "failure"}
        print(orjson.dumps({**document, "steps": described}).decode(), file=self._out, flush=True)


_PRINTERS: Final[dict[TextOrJson, Callable[[TextIO], _TextPrinter | _JsonPrinter]]] = {
    TextOrJson.TEXT: _TextPrinter,
    TextOrJson.JSON: _JsonPrinter,
}


async def _examine_all(config: "Config", printer: _TextPrinter | _JsonPrinter) -> int:
    """Examine each registry of the configuration; the worst exit code counts."""
    from crawler.cli.open_files import fit_concurrency
    from crawler.doctor.checkup import Checkup
    from crawler.doctor.step import worst_state

    codes = []
    for registry in config.registry:
        target = str(registry.target)
        printer.begin(target)
        checkup = Checkup(config, registry, printer.step)
        await checkup.run(fit_concurrency)
        state = worst_state(checkup.steps)
        printer.end(target, state, checkup.steps)
        codes.append(_EXIT_CODES[state])
    return worst_code(codes)
