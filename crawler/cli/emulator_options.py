"""`registry-crawler emulator`: the embedded registry, the roles that it plays, and commands to crawl each role."""

import json
import os
import shlex
import signal
from enum import StrEnum
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated, Final

import typer

from crawler.cli import logs
from crawler.cli.error_output import report_error
from crawler.cli.exit_codes import BAD_USAGE, COULD_NOT_RUN
from crawler.cli.options import LogFormatOption
from crawler.errors import ConfigError, CrawlerError

if TYPE_CHECKING:
    from crawler.emulator import ArtifactRegistry, Emulator

_CONFIG: Final = """\
# Crawl the emulator: a Google registry, whose APIs have the same host and port as the registry.
[[registry]]
kind = "{kind}"
location = "{location}"
auth.key_file = {key_file}
apis.artifact_registry = "http://{registry}"
apis.resource_manager = "http://{registry}"

[limits]
rate = "none"
"""


class Role(StrEnum):
    """The values of `emulator --role`."""

    GCR = "gcr"
    ARTIFACT_REGISTRY = "artifact-registry"
    CONTAINER_REGISTRY = "container-registry"
    PLAIN = "plain"

    @property
    def projects(self) -> list[str]:
        """The projects that the registry holds unless --project names others."""
        return ["my-project", "other-project"] if self.has_apis else ["my-project"]

    @property
    def has_apis(self) -> bool:
        """Whether the role has Google's REST APIs, which list several projects."""
        return self in (Role.GCR, Role.ARTIFACT_REGISTRY)


class CatalogMode(StrEnum):
    """The values of `emulator --catalog`."""

    FULL = "full"
    EMPTY = "empty"
    NULL = "null"


def artifact_registry_for(role: Role, projects: list[str]) -> "ArtifactRegistry | None":
    """Return the Artifact Registry behind a role, if any. Raises ValueError for projects that the role cannot hold."""
    from crawler.emulator import ArtifactRegistry

    if role.has_apis:
        return ArtifactRegistry(serves="gcr.io" if role is Role.GCR else "pkg.dev", projects=tuple(projects))
    if len(projects) > 1:
        raise ValueError(f"the role {role.value} holds one --project only")
    return None


def example_commands(
    role: Role, catalog: CatalogMode, *, registry: str, project: str, key_file: Path, config_file: Path
) -> list[str]:
    """Return commands that crawl the emulator, and write the configuration that they need. Raises OSError."""
    if not role.has_apis:
        if catalog is CatalogMode.FULL:
            return [_crawl_command(registry, "--key-file", key_file)]
        return [_crawl_command(f"{registry}/{project}", "--kind", "gcr", "--rate", "none", "--key-file", key_file)]
    text = _CONFIG.format(
        kind=role.value,
        location="us" if role is Role.GCR else "us-central1",
        key_file=json.dumps(str(key_file.absolute())),
        registry=registry,
    )
    # the [[registry]] table names no target, so it is the table of any target
    config_file.write_text(text, encoding="utf-8")
    return [_crawl_command(target, "--config", config_file) for target in (registry, f"{registry}/{project}")]


def _stop_when_stdin_ends() -> None:
    """Stop when the parent process ends, however it ends: the kernel closes its end of the pipe."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _crawl_command(*arguments: object) -> str:
    """Return a command line that can be pasted into a shell."""
    return shlex.join(["registry-crawler", "crawl", *map(str, arguments)])


def emulator(
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65_535, help="Port to listen on; 0 takes a free port")
    ] = 5000,
    key_file: Annotated[Path, typer.Option(metavar="FILE", help="Where to write a new service account key")] = Path(
        "emulator-key.json"
    ),
    role: Annotated[
        Role,
        typer.Option(
            help="The former gcr.io; with Google's APIs: gcr (today's gcr.io), artifact-registry (pkg.dev); or plain: "
            "listings have tags only, as in the CNCF distribution"
        ),
    ] = Role.CONTAINER_REGISTRY,
    config_file: Annotated[
        Path, typer.Option(metavar="FILE", help="Where to write a configuration to crawl gcr or artifact-registry")
    ] = Path("emulator.toml"),
    catalog: Annotated[
        CatalogMode, typer.Option(help="What the catalog lists; the catalog of today's gcr.io is often empty")
    ] = CatalogMode.FULL,
    project: Annotated[
        list[str] | None, typer.Option(metavar="PROJECT", help="A project that the registry holds; repeatable")
    ] = None,
    repositories: Annotated[int, typer.Option(metavar="N", help="Number of repositories in the registry")] = 2000,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the inventory")] = 1,
    giants: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of repositories with thousands of tags")
    ] = 0.002,
    denied: Annotated[float, typer.Option(metavar="SHARE", help="Share of repositories that are denied (403)")] = 0.0,
    broken: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of images with a problem, such as a missing manifest")
    ] = 0.01,
    latency: Annotated[float, typer.Option(metavar="S", help="Seconds before each response")] = 0.0,
    unavailable: Annotated[float, typer.Option(metavar="SHARE", help="Share of requests that fail with 503")] = 0.0,
    resets: Annotated[float, typer.Option(metavar="SHARE", help="Share of requests whose connection is reset")] = 0.0,
    truncated: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of requests whose response body is cut off")
    ] = 0.0,
    quota: Annotated[
        int | None, typer.Option(metavar="N", help="Requests per second; beyond it, 429  [default: none]")
    ] = None,
    token_lifetime: Annotated[int, typer.Option(metavar="S", help="Lifetime of tokens in seconds")] = 300,
    log_format: LogFormatOption = logs.LogFormat.TEXT,
    until_stdin_ends: Annotated[bool, typer.Option("--until-stdin-ends", hidden=True)] = False,
) -> None:
    """Run the embedded Google registry until it is stopped."""
    from crawler.cli.event_loop import run_async
    from crawler.emulator import Settings, serve_until_stopped

    logs.configure(log_format, verbosity=0)
    if until_stdin_ends:
        Thread(target=_stop_when_stdin_ends, daemon=True).start()
    projects = project or role.projects
    try:
        settings = Settings(
            artifact_registry=artifact_registry_for(role, projects),
            project=projects[0],
            catalog=catalog.value,
            repositories=repositories,
            seed=seed,
            giants=giants,
            denied=denied,
            broken=broken,
            listings="plain" if role is Role.PLAIN else "google",
            latency_s=latency,
            unavailable=unavailable,
            resets=resets,
            truncated=truncated,
            quota_per_s=quota,
            registry_token_lifetime_s=token_lifetime,
            access_token_lifetime_s=12 * token_lifetime,
        )
    except ValueError as exc:
        report_error(ConfigError([str(exc)]), BAD_USAGE)

    def announce(running: "Emulator") -> None:
        print(f"{running.registry} is a Google registry of {repositories:,} repositories; its key is in {key_file}")
        commands = example_commands(
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
        run_async(serve)
    except OSError as exc:
        report_error(CrawlerError(f"{exc.filename or f'port {port}'}: {exc.strerror or exc}"), COULD_NOT_RUN)
