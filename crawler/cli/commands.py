"""The commands, and their flags, which become configuration.

What runs them is imported where it runs, so that --help is quick.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crawler.cli import logs
from crawler.cli.complaints import complain
from crawler.cli.emulated import CatalogTold, Role, apis_of, worth_trying
from crawler.cli.exit_codes import BAD_USAGE, COULD_NOT_RUN
from crawler.cli.process import unwind_on_signals
from crawler.cli.unfinished import runs
from crawler.errors import ConfigError, CrawlerError
from crawler.model import VERSION, AuthMethod
from crawler.ways import DiscoveryMethod

if TYPE_CHECKING:
    from crawler.emulator import Emulator

app = typer.Typer(
    help="Nightly snapshots of whole container registries, with an honest verdict on their completeness.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # brackets in help are meant as they stand
)


app.add_typer(runs, name="runs")


def run_command_line() -> None:
    """Run the command line that the process was started with, and exit with its code."""
    app()


class LogFormat(StrEnum):
    """The values of `--log-format`."""

    TEXT = "text"
    JSON = "json"


def _version(*, wanted: bool) -> None:
    if wanted:
        print(f"registry-crawler {VERSION}")
        raise typer.Exit


@app.callback()
def _common(
    *,
    version: Annotated[  # noqa: ARG001  (its callback acts)
        bool, typer.Option("--version", callback=lambda value: _version(wanted=value), is_eager=True)
    ] = False,
) -> None:
    logs.configure(LogFormat.TEXT, verbosity=0)


@app.command()
def crawl(
    targets: Annotated[list[str] | None, typer.Argument(metavar="[TARGET]...", help="HOST[:PORT][/PREFIX]")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML, as in config.example.toml")] = None,
    output: Annotated[str | None, typer.Option(help="Folder for snapshots; - streams the records")] = None,
    auth: Annotated[AuthMethod | None, typer.Option(help="How to say who we are")] = None,
    key_file: Annotated[Path | None, typer.Option(help="A service account's key")] = None,
    username: Annotated[str | None, typer.Option(help="For basic and token")] = None,
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password's line")] = False,
    password_file: Annotated[Path | None, typer.Option(help="A file that holds the password")] = None,
    scope: Annotated[str | None, typer.Option(help="OAuth scope, short or as URL")] = None,
    impersonate: Annotated[str | None, typer.Option(help="The service account to be, for who may be it")] = None,
    kind: Annotated[str | None, typer.Option(help="Whose ways it has: harbor, quay, nexus, …")] = None,
    discovery: Annotated[DiscoveryMethod | None, typer.Option(help="Where names come from")] = None,
    images_from: Annotated[str | None, typer.Option(help="listing, or api with artifact-registry")] = None,
    repositories_from: Annotated[Path | None, typer.Option(help="Names, one a line; - for standard input")] = None,
    include: Annotated[list[str] | None, typer.Option(help="Glob on names; repeatable")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Glob on names; repeatable, and wins")] = None,
    concurrency: Annotated[int | None, typer.Option(help="Exchanges in flight at one registry")] = None,
    rate: Annotated[str | None, typer.Option(help="80/s, 50000/10m, auto or none")] = None,
    expect: Annotated[int | None, typer.Option(help="Fewer repositories than this make it partial; 1")] = None,
    max_shrink: Annotated[
        str | None, typer.Option(metavar="SHARE", help="So much fewer than last time make it partial: 20%")
    ] = None,
    partial_ok: Annotated[bool, typer.Option("--partial-ok", help="Exit 0 for a partial snapshot, too")] = False,
    no_lock: Annotated[
        bool, typer.Option("--no-lock", help="For file systems without locks: let one crawl at a time write there")
    ] = False,
    plain_http: Annotated[bool | None, typer.Option(help="Speak http; by default to this machine only")] = None,
    ca_file: Annotated[Path | None, typer.Option(help="CA certificates in PEM, instead of the system's")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the newest unfinished run")] = False,
    progress: Annotated[bool | None, typer.Option(help="A bar on a terminal, elsewhere a line every 10 s")] = None,
    show: Annotated[int, typer.Option(metavar="N", help="Show that many records of the snapshot")] = 0,
    log_format: Annotated[LogFormat, typer.Option(help="On standard error")] = LogFormat.TEXT,
    verbose: Annotated[int, typer.Option("--verbose", "-v", count=True, help="Say more; twice: every exchange")] = 0,
) -> None:
    """Take a snapshot of each registry named, or configured.

    Exit code: 0 complete, 1 could not run, 2 bad usage or configuration, 3 published but partial (0 with --partial-ok),
    130/143 interrupted.
    """
    from crawler.cli.descriptors import fitted
    from crawler.cli.runs import Look, begun, begun_or_resumed, crawl_each, run_in_a_loop
    from crawler.config import STANDARD_STREAM, Config, Flag

    logs.configure(log_format, verbose)
    given = {
        "--output": ("output.path", output),
        "--auth": ("registry.auth.method", auth),
        "--key-file": ("registry.auth.key_file", key_file),
        "--username": ("registry.auth.username", username),
        "--password-stdin": ("registry.auth.password", _password_line() if password_stdin else None),
        "--password-file": ("registry.auth.password_file", password_file),
        "--scope": ("registry.auth.scope", scope),
        "--impersonate": ("registry.auth.impersonate", impersonate),
        "--kind": ("registry.kind", kind),
        "--discovery": ("registry.discovery", discovery),
        "--images-from": ("registry.images_from", images_from),
        "--repositories-from": ("registry.repositories_from", repositories_from),
        "--include": ("registry.include", include or None),
        "--exclude": ("registry.exclude", exclude or None),
        "--concurrency": ("limits.concurrency", concurrency),
        "--rate": ("limits.rate", rate),
        "--expect": ("verdict.expect", expect),
        "--max-shrink": ("verdict.max_shrink", max_shrink),
        "--partial-ok": ("verdict.partial_ok", partial_ok or None),
        "--no-lock": ("output.lock", False if no_lock else None),
        "--plain-http": ("registry.plain_http", plain_http),
        "--ca-file": ("registry.ca_file", ca_file),
    }
    flags = [Flag(name, key, value) for name, (key, value) in given.items() if value is not None]
    try:
        settings = fitted(Config.load(config, targets=targets or (), flags=flags), logs.say)
    except ConfigError as mistakes:
        complain(mistakes, BAD_USAGE)
    if resume and settings.output.path == STANDARD_STREAM:
        complain(ConfigError(["--resume: records that went to standard output cannot be gone on with"]), BAD_USAGE)
    look = Look(progress=progress is not False, records=show)
    raise typer.Exit(run_in_a_loop(crawl_each, settings, look, begun_or_resumed if resume else begun))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def demo(
    context: typer.Context,
    repositories: Annotated[int, typer.Option(min=0, help="How many it holds")] = 2000,
) -> None:
    """Crawl an embedded Google registry, started for the occasion; takes every option of crawl."""
    unwind_on_signals()
    with tempfile.TemporaryDirectory(prefix="registry-crawler-") as folder:
        key_file = Path(folder) / "key.json"
        with _embedded(repositories, key_file) as registry:
            arguments = [registry, "--key-file", str(key_file), *context.args, "--show", "2"]
            print(
                f"an embedded Google registry of {repositories:,} repositories listens at {registry}", file=sys.stderr
            )
            print(f"registry-crawler crawl {' '.join(arguments)}\n", file=sys.stderr)
            code = app(["crawl", *arguments], standalone_mode=False)
    raise typer.Exit(code)


@contextmanager
def _embedded(repositories: int, key_file: Path) -> Iterator[str]:
    """The embedded registry in a process of its own; gives its address."""
    options = ["--port=0", f"--repositories={repositories}", f"--key-file={key_file}"]
    command = [sys.executable, "-m", "crawler", "emulator", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603  (ourselves)
    with process:
        try:
            assert process.stdout is not None
            registry = process.stdout.readline().partition(" ")[0]
            if not registry:  # it has said why
                raise typer.Exit(process.wait())
            yield registry
        finally:
            process.terminate()


def _password_line() -> str:
    # unbuffered by text, so that a list of names may follow on the same standard input
    try:
        line = sys.stdin.buffer.readline()
    except OSError as exc:
        complain(ConfigError([f"--password-stdin: standard input cannot be read: {exc.strerror}"]), BAD_USAGE)
    return line.decode("utf-8-sig", "replace").rstrip("\r\n")


@app.command()
def emulator(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one")] = 5000,
    key_file: Annotated[Path, typer.Option(help="Where its fresh key is written")] = Path("emulator-key.json"),
    role: Annotated[
        Role, typer.Option(help="The gcr.io of old, or with Google's APIs behind it: today's gcr.io, or a pkg.dev")
    ] = Role.CONTAINER_REGISTRY,
    config_file: Annotated[Path, typer.Option(help="Where those roles write how to crawl them")] = Path(
        "emulator.toml"
    ),
    catalog: Annotated[CatalogTold, typer.Option(help="Today's often tells nothing")] = CatalogTold.FULL,
    project: Annotated[list[str] | None, typer.Option(help="A project it holds; repeatable")] = None,
    repositories: Annotated[int, typer.Option(help="How many the catalog holds")] = 2000,
    seed: Annotated[int, typer.Option(help="The number that the inventory is made from")] = 1,
    giants: Annotated[float, typer.Option(help="Share of repositories with tags by the thousand")] = 0.002,
    denied: Annotated[float, typer.Option(help="Share of repositories that nobody may list")] = 0.0,
    latency: Annotated[float, typer.Option(help="Seconds before each answer")] = 0.0,
    unavailable: Annotated[float, typer.Option(help="Share of exchanges answered 503")] = 0.0,
    resets: Annotated[float, typer.Option(help="Share of exchanges whose connection is reset")] = 0.0,
    truncated: Annotated[float, typer.Option(help="Share of exchanges whose body breaks off")] = 0.0,
    quota: Annotated[int | None, typer.Option(help="Exchanges a second, above which it answers 429")] = None,
    token_lifetime: Annotated[int, typer.Option(help="Seconds that its tokens live")] = 300,
) -> None:
    """Run that embedded registry alone, on this machine, until it is stopped."""
    from crawler.cli.runs import run_in_a_loop
    from crawler.emulator import Settings, serve_until_stopped

    projects = project or role.projects
    try:
        settings = Settings(
            artifact_registry=apis_of(role, projects),
            project=projects[0],
            catalog=catalog.value,
            repositories=repositories,
            seed=seed,
            giants=giants,
            denied=denied,
            latency_s=latency,
            unavailable=unavailable,
            resets=resets,
            truncated=truncated,
            quota_per_s=quota,
            registry_token_lifetime_s=token_lifetime,
            access_token_lifetime_s=12 * token_lifetime,
        )
    except ValueError as fault:
        complain(ConfigError([str(fault)]), BAD_USAGE)

    def announce(running: "Emulator") -> None:
        print(f"{running.registry} is a Google registry of {repositories:,} repositories; its key is in {key_file}")
        commands = worth_trying(
            role,
            catalog,
            registry=running.registry,
            project=projects[0],
            key_file=key_file,
            config_file=config_file,
        )
        print(*(f"try: {command}" for command in commands), sep="\n", flush=True)

    async def serve() -> None:
        await serve_until_stopped(settings, host="127.0.0.1", port=port, key_file=key_file, announce=announce)

    try:
        run_in_a_loop(serve)
    except OSError as fault:
        complain(CrawlerError(f"{fault.filename or f'port {port}'}: {fault.strerror or fault}"), COULD_NOT_RUN)
