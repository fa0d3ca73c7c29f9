"""A command imports what it uses, and nothing else: imports are nearly all of what a command takes to start."""

from collections.abc import Iterable

import pytest
from support.run_cli import CommandRunner
from support.scripted import basic_registry, on, plain_registry, refusal, serve

NAMING_IMPORTS = {"PYTHONPROFILEIMPORTTIME": "1"}
"""Has Python name on standard error each module that it imports."""

LIBRARIES_OF_A_CRAWL = {"aiohttp", "anyio", "pydantic", "orjson", "tenacity", "typer", "uvloop", "yarl"}
LIBRARIES_OF_SOME_CRAWLS = {
    "botocore",
    "cryptography",
    "deltalake",
    "google",
    "jinja2",
    "obstore",
    "opentelemetry",
    "prometheus_client",
    "requests",
    "rich",
    "sqlite3",
    "structlog",
    "tomllib",
    "zstandard",
}
LIBRARIES_OF_OTHER_COMMANDS = {"duckdb", "pyarrow", "pygal", "ray"}

ROOMS_OF_SOME_CRAWLS = {"digest_cache", "lake", "notify"}
ROOMS_OF_OTHER_COMMANDS = {"deploy", "doctor", "emulator", "forecast", "library", "scale", "tables"}

DEPTH = {"crawler.inspect.inspector", "crawler.registry.manifests", "crawler.run.inspection", "crawler.wire.manifest"}
GOOGLE = {"crawler.auth.google", "crawler.vendors.google", "crawler.wire.google_apis"}
LOGIN = {"crawler.auth.docker_config", "crawler.auth.credential_helper"}
OTHER_SOURCES = {f"crawler.discovery.{source}" for source in ("api", "artifact_registry", "name_list", "walk")}
PRODUCTS = {f"crawler.vendors.{product}" for product in ("acr", "docker_hub", "ecr", "harbor", "quay", "zot")}
SHARDS = {"crawler.run.shards", "crawler.discovery.ownership", "crawler.snapshot.shards"}


async def imported(command: CommandRunner, *arguments: object, code: int = 0) -> set[str]:
    """The modules that a run of the command imports."""
    ended = await command(*arguments, environment=NAMING_IMPORTS)
    assert ended.code == code, ended.err[-1000:]
    lines = [line for line in ended.err.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


def of(modules: Iterable[str], unwanted: Iterable[str]) -> set[str]:
    """The modules that are among the unwanted ones, or below them."""
    return {module for module in modules for name in unwanted if module == name or module.startswith(f"{name}.")}


def rooms(names: Iterable[str]) -> set[str]:
    return {f"crawler.{name}" for name in names}


async def test_imports_of_a_crawl_with_a_password(command, tmp_path):
    (tmp_path / "password").write_text("secret\n")
    login = ("--username", "me", "--password-file", "password")
    async with serve(basic_registry({"team/app": ("1",)})) as server:
        found = await imported(command, "crawl", server.host, *login, "--no-progress")
    assert of(found, LIBRARIES_OF_SOME_CRAWLS | LIBRARIES_OF_OTHER_COMMANDS) == set()
    assert of(found, rooms(ROOMS_OF_SOME_CRAWLS | ROOMS_OF_OTHER_COMMANDS)) == set()
    assert of(found, DEPTH | GOOGLE | LOGIN | OTHER_SOURCES | PRODUCTS | SHARDS | {"crawler.run.hints"}) == set()
    assert (
        of(found, {f"crawler.cli.{command}" for command in ("audit", "doctor", "emulator_options", "publish", "rows")})
        == set()
    )
    assert found >= LIBRARIES_OF_A_CRAWL


async def test_imports_of_depth_come_with_depth(command):
    missing = on("/v2/team/app/manifests/1", refusal(404, "MANIFEST_UNKNOWN", "unknown"))
    async with serve([missing, *plain_registry({"team/app": ("1",)})]) as server:
        found = await imported(command, "crawl", server.host, "--depth", "digests", "--no-progress")
    assert found >= DEPTH | {"sqlite3", "crawler.auth.docker_config"}
    assert of(found, LIBRARIES_OF_OTHER_COMMANDS | GOOGLE | OTHER_SOURCES | PRODUCTS | SHARDS) == set()


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("crawl", "--help")], ids=" ".join)
async def test_imports_of_help(command, arguments):
    found = await imported(command, *arguments)
    assert of(found, LIBRARIES_OF_SOME_CRAWLS | LIBRARIES_OF_OTHER_COMMANDS) == set()
    assert of(found, {"aiohttp", "anyio", "asyncio", "crawler.config", "crawler.run", "crawler.transport"}) == set()


async def test_imports_of_one_command_are_not_those_of_another(command):
    found = await imported(command, "runs", "--output", "nowhere")
    assert of(found, {"aiohttp", "crawler.transport", "crawler.cli.audit", "crawler.cli.crawl_registries"}) == set()
