"""The command line: its commands, and the flags of `crawl`, which become configuration.

What a command runs is imported inside the command, so that --help is quick.
"""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from crawler.cli import logs, options
from crawler.cli.audit import audit
from crawler.cli.crawl_config import crawl_config
from crawler.cli.demo import demo
from crawler.cli.deploy import deploy
from crawler.cli.diff import diff
from crawler.cli.doctor import doctor
from crawler.cli.emulator_options import emulator
from crawler.cli.error_output import exit_on_error, report_internal_error, report_usage_error
from crawler.cli.exit_codes import BAD_USAGE, COMPLETE, COULD_NOT_RUN, INTERRUPTED
from crawler.cli.init import init
from crawler.cli.merge import merge
from crawler.cli.metrics import metrics
from crawler.cli.plan import plan
from crawler.cli.publish import publish
from crawler.cli.query import query, schema
from crawler.cli.report import report
from crawler.cli.runs import runs
from crawler.cli.shared_options import takes_options
from crawler.errors import ConfigError
from crawler.model.run_manifest import VERSION

if TYPE_CHECKING:
    from crawler.config import Config

app = typer.Typer(
    help="Take nightly snapshots of whole container registries, each with a verdict: complete or partial.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120, "color": False},
    rich_markup_mode=None,  # rich would read [TARGET] as markup
)

app.add_typer(runs, name="runs")
app.add_typer(deploy, name="deploy")


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


@app.command()
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


app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(demo)
app.command()(init)
app.command()(audit)
app.command()(takes_options(crawl_config, crawl)(doctor))
app.command()(query)
app.command()(diff)
app.command()(report)
app.command()(takes_options(crawl_config, crawl)(plan))
app.command()(publish)
app.command()(merge)
app.command()(metrics)
app.command()(schema)
app.command()(emulator)
