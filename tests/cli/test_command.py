"""Exit codes and summaries of `crawl`, as its user sees them."""

import asyncio
import re
from pathlib import Path

import pytest
from support.inventories import comparable, expected
from support.run_cli import (
    ONE_TRY,
    assert_plain,
    google_crawl,
)
from support.snapshots import folders, read_snapshot


async def test_summary_of_a_complete_crawl(command, google):
    registry = await google(repositories=100, vanished=0.02)
    ended = await command(*google_crawl(registry, "--concurrency", 7, "--rate", "50000/1m"))
    assert (ended.code, ended.out) == (0, "")
    snapshot = read_snapshot(registry.output)
    assert comparable(snapshot.by_name) == expected(registry.emulator.inventory)
    assert snapshot.has_success
    assert not list((registry.output / ".unfinished").glob("*"))

    assert_plain(ended.err)
    assert ended.err.startswith(f"COMPLETE: {registry.emulator.registry}, ")
    assert ended.snapshot == snapshot.folder
    counts, requests = snapshot.manifest["counts"], snapshot.manifest["requests"]
    summary = " ".join(ended.err.split())
    assert "repositories 100: 98 ok, 2 missing, 0 denied, 0 failed, 0 invalid" in summary
    assert f"{counts['tags']:,} tags, {counts['images']:,} images" in summary
    assert f"{requests['total']:,} ({requests['token']:,} for tokens, 0 retries" in summary
    assert snapshot.manifest["discovery"]["evidence"] in summary
    assert "7 at once, 833.3/s" in summary


@pytest.mark.parametrize(
    ("method", "is_cheaper_named"), [("token", True), ("access-token", False), ("json-key", False)]
)
async def test_summary_names_a_cheaper_auth_method_on_google(command, google, method, is_cheaper_named):
    registry = await google(repositories=40)
    ended = await command(*google_crawl(registry, "--auth", method))
    line = "cheaper --auth access-token needs none of the 41 exchanges for tokens"
    assert (line in " ".join(ended.err.split())) is is_cheaper_named


async def test_exit_code_3_of_denied_repositories_with_an_example(command, google):
    registry = await google(repositories=100, denied=0.03)
    ended = await command(*google_crawl(registry))
    assert ended.code == 3
    snapshot = read_snapshot(registry.output)
    assert not snapshot.has_success
    assert ended.snapshot == snapshot.folder
    assert ended.err.startswith("PARTIAL: ")
    assert re.search(r"^  because +3 repositories denied$", ended.err, re.MULTILINE)
    examples = re.findall(r"^  for example +denied (\S+): DENIED: Permission ", ended.err, re.MULTILINE)
    assert {snapshot.outcomes[name] for name in examples} == {"denied"}


async def test_exit_code_1_of_one_target_does_not_stop_the_next(command, google, dead_port):
    registry = await google(repositories=30)
    targets = [registry.emulator.registry, dead_port]
    crawl = ("crawl", "--key-file", registry.key_file)
    ends = await asyncio.gather(
        command(*crawl, *targets, "--output", "good first", environment=ONE_TRY),
        command(*crawl, *reversed(targets), "--output", "good last", environment=ONE_TRY),
    )
    for ended, output in zip(ends, ("good first", "good last"), strict=True):
        assert ended.code == 1
        (complaint,) = [line for line in ended.err.splitlines() if line.startswith("registry-crawler: ")]
        assert dead_port in complaint
        assert ended.err.count("COMPLETE: ") == 1
        assert read_snapshot(command.folder / output).has_success
        assert len(folders(command.folder / output)) == 1


async def test_exit_code_of_several_registries_is_the_worst(command, google, dead_port):
    whole, partial = await google(repositories=30), await google(repositories=30, denied=0.1)

    def written(name: str, *registries: tuple[str, Path]) -> Path:
        file = command.folder / name
        file.write_text(
            "".join(
                f'[[registry]]\ntarget = "{target}"\n[registry.auth]\nkey_file = "{key_file}"\n'
                for target, key_file in registries
            )
        )
        return file

    good, bad = ((google.emulator.registry, google.key_file) for google in (whole, partial))
    with_partial, with_failure = await asyncio.gather(
        command("crawl", "--config", written("3.toml", bad, good), "--output", "3"),
        command(
            "crawl", "--config", written("1.toml", bad, (dead_port, whole.key_file), good), "--output", "1",
            environment=ONE_TRY,
        ),
    )  # fmt: skip
    assert (with_partial.code, with_failure.code) == (3, 1)
    for output in ("3", "1"):
        assert len(folders(command.folder / output)) == 2


async def test_environment_variables_configure_the_run(command, google):
    registry = await google(repositories=30)
    ended = await command(
        "crawl",
        environment={
            "REGISTRY_CRAWLER_REGISTRY__TARGET": registry.emulator.registry,
            "REGISTRY_CRAWLER_REGISTRY__AUTH__KEY_FILE": str(registry.key_file),
            "REGISTRY_CRAWLER_REGISTRY__EXCLUDE": "*/a*,*/b*",
            "REGISTRY_CRAWLER_OUTPUT__PATH": str(registry.output),
            "REGISTRY_CRAWLER_OUTPUT__COMPRESSION": "gzip",
        },
    )
    assert (ended.code, ended.out) == (0, "")
    snapshot = read_snapshot(registry.output)
    assert [file["name"] for file in snapshot.manifest["files"]] == ["part-00000.jsonl.gz"]
    wanted = [name for name in registry.emulator.inventory.names if "/a" not in name and "/b" not in name]
    assert sorted(snapshot.by_name) == wanted


async def test_name_list_from_standard_input(command, google):
    registry = await google(repositories=30)
    some = registry.emulator.inventory.names[:3]
    names = "# the first few\n" + "\n".join(some) + "\nNo/Name\nmy-project/never-was\n"
    ended = await command(*google_crawl(registry, "--repositories-from", "-"), stdin=names)
    assert ended.code == 3
    assert "5 names listed in standard input, of which 1 is wrong: line 5: 'No/Name' has upper" in ended.err
    snapshot = read_snapshot(registry.output)
    assert snapshot.outcomes == {
        **{name: record["outcome"] for name, record in expected(registry.emulator.inventory).items() if name in some},
        "No/Name": "invalid",
        "my-project/never-was": "missing",
    }
    assert snapshot.manifest["discovery"]["method"] == "list"


async def test_name_list_from_a_pipe(command, google):
    """As a shell passes it with `--repositories-from <(some command)`."""
    registry = await google(repositories=3)
    name = registry.emulator.inventory.names[0]
    ended = await command(
        *google_crawl(registry, "--repositories-from", "/dev/stdin"), stdin=f"{name}\nmy-project/gone\n"
    )
    assert (ended.code, ended.out) == (0, "")
    assert read_snapshot(registry.output).outcomes == {name: "ok", "my-project/gone": "missing"}


# What could not run


async def test_unreachable_hosts_are_exit_code_1(command, google, dead_port):
    registry = await google(repositories=1)
    registry.key_file.write_text(registry.key_file.read_text().replace(registry.emulator.registry, dead_port))
    no_metadata = {"GCE_METADATA_HOST": dead_port, "GCE_METADATA_IP": dead_port, "CLOUDSDK_CONFIG": "."}
    ends = await asyncio.gather(
        command("crawl", dead_port, environment=ONE_TRY),
        command("crawl", "registry.invalid/my-project", environment=ONE_TRY),
        command(*google_crawl(registry), environment=ONE_TRY),
        command("crawl", registry.emulator.registry, "--auth", "token", environment=ONE_TRY | no_metadata),
    )
    assert [(ended.code, ended.out) for ended in ends] == [(1, "")] * 4
    refused, unknown, no_token_endpoint, no_credentials = (ended.complaint for ended in ends)
    assert f"no connection to {dead_port}" in refused
    assert unknown.startswith("registry.invalid/my-project: ")
    assert "the name registry.invalid is not known" in unknown
    assert "token endpoint cannot be reached" in no_token_endpoint
    assert "--key-file" in no_credentials
    assert "the metadata server does not answer" in no_credentials


async def test_output_folder_that_is_a_file_is_exit_code_1(command, google):
    registry = await google(repositories=1)
    registry.output.write_text("")
    ended = await command(*google_crawl(registry))
    assert (ended.code, ended.out) == (1, "")
    assert str(registry.output) in ended.complaint
    assert "Not a directory" in ended.complaint or "File exists" in ended.complaint


# Usage


# Secrets


# Standard output


# Progress
