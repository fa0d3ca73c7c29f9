"""Wrong command lines and configurations: exit code 2, and one line for each mistake."""

import asyncio

import pytest
from support.run_cli import (
    SCRIPT,
)


async def test_missing_files_are_bad_usage(command, google):
    registry = await google(repositories=1)
    names, password, certificates = await asyncio.gather(
        command("crawl", registry.emulator.registry, "--repositories-from", "none.txt"),
        command("crawl", registry.emulator.registry, "--username", "reader", "--password-file", "none.txt"),
        command("crawl", registry.emulator.registry, "--ca-file", "none.pem"),
    )
    for ended, file in ((names, "none.txt"), (password, "none.txt"), (certificates, "none.pem")):
        assert (ended.code, ended.out) == (2, "")
        assert file in ended.complaint


async def test_configuration_error_names_its_source(command):
    (command.folder / "broken.toml").write_text("[limits\n")
    mistakes = {
        "TARGET": ["crawl"],
        "TARGET ''": ["crawl", ""],
        "TARGET 'https://gcr.io': registry.target: ": ["crawl", "https://gcr.io"],
        "--rate: limits.rate: ": ["crawl", "localhost:1", "--rate", "fast"],
        "key_file": ["crawl", "localhost:1", "--auth", "json-key"],
        "none.toml: cannot be read": ["crawl", "--config", "none.toml"],
        "broken.toml: ": ["crawl", "--config", "broken.toml"],
    }
    ends = await asyncio.gather(*(command(*arguments) for arguments in mistakes.values()))
    for words, ended in zip(mistakes, ends, strict=True):
        assert (ended.code, ended.out) == (2, "")
        assert words in ended.err.splitlines()[-1]


async def test_configuration_errors_have_a_line_each(command):
    (command.folder / "config.toml").write_text('colour = "blue"\n\n[limits]\nattempts = 0\n')
    ended = await command(
        "crawl", "https://gcr.io", "--config", "config.toml", "--rate", "fast",
        environment={"REGISTRY_CRAWLER_OUTPUT__COMPRESSION": "rar"},
    )  # fmt: skip
    assert ended.code == 2
    lines = ended.err.splitlines()
    assert sorted(line.removeprefix("registry-crawler: ").split(": ")[0] for line in lines) == [
        "--rate",
        "REGISTRY_CRAWLER_OUTPUT__COMPRESSION",
        "TARGET 'https://gcr.io'",
        "config.toml:1",
        "config.toml:4",
    ]
    assert all(line.startswith("registry-crawler: ") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["crwal"], "No such command 'crwal'. Did you mean 'crawl'? (try 'registry-crawler --help')"),
        (
            ["crawl", "--concurency", "3"],
            "No such option: --concurency (Possible options: --concurrency) (try 'registry-crawler crawl --help')",
        ),
        (
            ["crawl", "localhost:1", "--bogus"],
            "No such option: --bogus (Possible options: --verbose) (try 'registry-crawler crawl --help')",
        ),
        (
            ["crawl", "localhost:1", "--password", "x"],
            (
                "No such option: --password (Possible options: --password-file, --password-stdin) "
                "(try 'registry-crawler crawl --help')"
            ),
        ),
        (
            ["crawl", "localhost:1", "--auth", "magic"],
            (
                "Invalid value for '--auth': 'magic' is not one of 'auto', 'token', 'access-token', 'json-key', "
                "'basic', 'docker-config', 'anonymous' (try 'registry-crawler crawl --help')"
            ),
        ),
        (
            ["crawl", "localhost:1", "--concurrency", "many"],
            "--concurrency: limits.concurrency: must be a whole number from 1 to 4096 (got 'many')",
        ),
        (
            ["crawl", "localhost:1", "--depth", "blobs"],
            (
                "Invalid value for '--depth': 'blobs' is not one of 'tags', 'digests', 'manifests', 'configs' "
                "(try 'registry-crawler crawl --help')"
            ),
        ),
        (
            ["crawl", "localhost:1", "--referrers", "all"],
            (
                "Invalid value for '--referrers': 'all' is not one of 'none', 'listed', 'api' "
                "(try 'registry-crawler crawl --help')"
            ),
        ),
        (
            ["crawl", "localhost:1", "--include-tag", "v*"],
            (
                "--include-tag: images: include_tags choose the images that are read, and depth tags reads none: "
                "set depth to digests, manifests or configs (--depth)"
            ),
        ),
        (
            ["crawl", "localhost:1", "--cache", "-"],
            ("--cache: cache.path: must be a file, or none: standard input and output cannot hold the cache (got '-')"),
        ),
        (
            ["crawl", "localhost:1", "--budget", "much"],
            "--budget: limits.budget: must be a whole number from 0 to 1000000000, or none (got 'much')",
        ),
        (["magic"], "No such command 'magic' (try 'registry-crawler --help')"),
        (["crawl", "--key-file"], "Option '--key-file' requires an argument (try 'registry-crawler crawl --help')"),
        (["runs", "discard"], "Missing argument 'RUN_ID' (try 'registry-crawler runs discard --help')"),
        (
            ["crawl", "--show", "-3"],
            "Invalid value for '--show': must be greater than or equal to 0 (try 'registry-crawler crawl --help')",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
async def test_usage_errors_are_one_line_with_advice(command, arguments, message):
    ended = await command(*arguments, program=SCRIPT)
    assert (ended.code, ended.out, ended.complaint) == (2, "", message)


async def test_usage_errors_show_no_control_characters(command):
    ended = await command("crawl", "--\x1b[31mred")
    assert ended.code == 2
    assert "\x1b" not in ended.err
