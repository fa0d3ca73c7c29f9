"""The command line: its commands, and the flags of `crawl`, which become configuration.

A command is imported and built where it is asked for, and what it runs is imported inside it: nearly all of the time
that a command takes to start goes into imports.
"""

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer
from typer.core import TyperGroup

from crawler.cli import logs, options
from crawler.cli.crawl_config import crawl_config
from crawler.cli.error_output import exit_on_error, report_internal_error, report_usage_error
from crawler.cli.exit_codes import BAD_USAGE, COMPLETE, COULD_NOT_RUN, INTERRUPTED
from crawler.cli.process import import_aiohttp
from crawler.cli.shared_options import takes_options
from crawler.errors import ConfigError
from crawler.model.run_manifest import VERSION

if TYPE_CHECKING:
    from crawler.config import Config


class _Command(NamedTuple):
    """A command: the module of `crawler.cli` that has a function or a group of its name, and what `--help` says."""

    module: str
    summary: str


_COMMANDS: Final[Mapping[str, _Command]] = {
    "crawl": _Command("commands", "Take a snapshot of each registry."),
    "demo": _Command("demo", "Crawl an embedded Google registry."),
    "init": _Command("init", "Write a first configuration, with comments."),
    "audit": _Command("audit", "Answer a named question from a snapshot."),
    "doctor": _Command("doctor", "Try every step that a crawl needs, and say what fails."),
    "query": _Command("query", "Ask the tables of a snapshot by SQL (DuckDB's)."),
    "diff": _Command("diff", "Print what changed between two snapshots."),
    "report": _Command("report", "Print a snapshot as one page."),
    "plan": _Command("plan", "Say what a crawl would cost: exchanges, minutes, bytes."),
    "publish": _Command("publish", "Publish a snapshot to a lake."),
    "merge": _Command("merge", "Merge the shards of a group into one snapshot."),
    "metrics": _Command("metrics", "Print metrics of the newest snapshots for Prometheus."),
    "schema": _Command("query", "Print the columns of a table, for a database's dialect."),
    "emulator": _Command("emulator_options", "Run the embedded Google registry until it is stopped."),
    "runs": _Command("runs", "List snapshots and unfinished runs, or remove some."),
    "deploy": _Command("deploy", "Print what to apply where crawls run every night."),
}
"""All commands, in the order of `--help`. A summary is written here, so that `--help` imports none of them."""

_TAKES_CRAWL_OPTIONS: Final = frozenset({"doctor", "plan"})
_PASSES_OPTIONS_ON: Final = frozenset({"demo"})


class Commands(TyperGroup):
    """The group of all commands, which has a command once it is asked for."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002  (typer's)
        return list(_COMMANDS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]  # noqa: ARG002  (typer's)
        """The command of this name; None where there is none, and then all are built, for typer to suggest one."""
        for name in [cmd_name] if cmd_name in _COMMANDS else _COMMANDS:
            if name not in self.commands:
                self.commands[name] = _build(name)
        return self.commands.get(cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002  (typer's)
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.summary) for name, command in _COMMANDS.items()])


def _build(name: str) -> Any:
    module, summary = _COMMANDS[name]
    command = getattr(import_module(f"crawler.cli.{module}"), name)
    if isinstance(command, typer.Typer):
        return typer.main.get_group(command)
    only = typer.Typer(add_completion=False, rich_markup_mode=None)
    if name in _TAKES_CRAWL_OPTIONS:
        command = takes_options(crawl_config, crawl)(command)
    passes_on = name in _PASSES_OPTIONS_ON
    settings = {"allow_extra_args": passes_on, "ignore_unknown_options": passes_on}
    only.command(short_help=summary, context_settings=settings)(command)
    return typer.main.get_command(only)


app = typer.Typer(
    cls=Commands,
    help="Take nightly snapshots of whole container registries, each with a verdict: complete or partial.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120, "color": False},
    rich_markup_mode=None,  # rich would read [TARGET] as markup
)


def run_command_line() -> None:
    """Run the command line of this process, and exit with its code."""
    logs.configure(logs.requested_format(sys.argv[1:]), verbosity=0)
    sys.exit(_exit_code())


def _exit_code() -> int:
    try:
        return typer.main.get_command(app).main(standalone_mode=False) or COMPLETE
    except typer.TyperException as error:
        report_usage_error(error, sys.argv[1:])
        return BAD_USAGE
    except typer.Abort:
        return INTERRUPTED
    except Exception as exc:  # noqa: BLE001  (reported as an internal error)
        report_internal_error(exc)
        return COULD_NOT_RUN


def _print_version(*, is_requested: bool) -> None:
    if is_requested:
        print(f"registry-crawler {VERSION}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _common(
    context: typer.Context,
    *,
    version: Annotated[  # noqa: ARG001  (its callback acts)
        bool,
        typer.Option(
            "--version",
            callback=lambda value: _print_version(is_requested=value),
            is_eager=True,
            help="Show the version and exit.",
        ),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help(), file=sys.stderr)
        raise typer.Exit(BAD_USAGE)


@takes_options(crawl_config)
def crawl(
    settings: "Config",
    resume: options.Resume = False,
    progress: options.ShowProgress = None,
    show: options.Show = 0,
    log_format: options.LogFormatOption = logs.LogFormat.TEXT,
) -> None:
    """Take a snapshot of each TARGET, or of each registry in the configuration.

    TARGET is HOST[:PORT][/PREFIX]: gcr.io/my-project, localhost:5000.

    Exit code: 0 complete, 1 could not run, or not published to the lake, 2 bad usage or configuration, 3 published but
    partial (0 with --partial-ok), 130/143 interrupted.

    \b
    Examples:
      registry-crawler crawl gcr.io/my-project --key-file key.json
      registry-crawler crawl localhost:5000 --output - | jq -r .repository
      registry-crawler crawl localhost:5000 --depth configs --referrers listed
      registry-crawler crawl --config config.toml --resume --log-format json
    """  # noqa: D301  (typer keeps the line breaks of a paragraph after \b)
    import_aiohttp()
    from crawler.cli.crawl_registries import crawl_registries, start, start_or_resume
    from crawler.cli.event_loop import run_async
    from crawler.cli.open_files import fit_concurrency
    from crawler.cli.run_report import DisplayOptions
    from crawler.config import STDIO

    with exit_on_error():
        if resume and settings.output.path == STDIO:
            raise ConfigError(["--resume: a run that streams its records to standard output cannot be resumed"])
        fitted = fit_concurrency(settings.of_part, logs.notice)
        display = DisplayOptions(progress=progress is not False, records=show, log_format=log_format)
        if fitted.scale.engine is not None:
            from crawler.cli.ray_crawl import crawl_on_ray, resume_on_ray

            raise typer.Exit((resume_on_ray if resume else crawl_on_ray)(fitted, display))
        raise typer.Exit(run_async(crawl_registries, fitted, display, start_or_resume if resume else start))
