"""`--engine ray`: which options go with it, and what is said where they do not, or where Ray is not there."""

import pytest
from support.config_errors import config_error
from support.run_cli import scripted_crawl
from support.scripted import plain_registry, serve

from crawler.config import Config, Flag, MergeConfig

RAY = {"engine": "ray", "workers": 4}


def scale_error(scale, **tables):
    flags = [Flag(f"--{name}", f"scale.{name}", value) for name, value in scale.items()]
    flags += [Flag(f"--{key}", key, value) for key, value in tables.items()]
    return config_error(targets=["localhost:5000"], flags=flags)


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        ({"engine": "ray"}, "--engine: scale: engine needs workers: into how many shards"),
        ({"workers": 4}, "--workers: scale: workers needs engine: --engine ray"),
        ({"address": "auto"}, "--address: scale: address needs engine: --engine ray"),
        ({**RAY, "shard": "0/4"}, "give shard or engine, not both"),
        ({"engine": "rya", "workers": 4}, "--engine: scale.engine: must be ray; did you mean ray? (got 'rya')"),
        ({**RAY, "workers": 0}, "--workers: scale.workers: must be a whole number from 1 to 10000 (got 0)"),
        ({**RAY, "address": "http://ray"}, "--address: scale.address: must be local, auto, HOST:PORT or ray://HOST:P"),
    ],
)
def test_ray_options_that_do_not_fit_are_refused(scale, message):
    assert message in scale_error(scale)


def test_ray_needs_a_folder_and_a_list_that_workers_can_read():
    assert "scale.engine needs a folder to merge from" in scale_error(RAY, **{"output.path": "-"})
    from_stdin = scale_error(RAY, **{"registry.repositories_from": "-"})
    assert "workers have no standard input: give registry.repositories_from a file" in from_stdin


@pytest.mark.parametrize(
    ("variable", "key", "address"),
    [("", {}, "local"), ("ray://one:10001", {}, "ray://one:10001"), ("ray://one:10001", {"address": "auto"}, "auto")],
)
def test_ray_cluster_is_that_of_the_key_or_of_ray_address_or_a_local_one(monkeypatch, variable, key, address):
    monkeypatch.setenv("RAY_ADDRESS", variable)
    config = Config(registry=[{"target": "localhost:5000"}], scale={**RAY, **key})
    assert config.scale.address == address
    assert Config(registry=[{"target": "localhost:5000"}]).scale.address is None


def test_ray_keys_do_not_disturb_merge(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text('[scale]\nengine = "ray"\nworkers = 4\naddress = "auto"\ngroup = "tonight"\n')
    assert MergeConfig.load(file).scale.group == "tonight"


async def test_ray_that_is_not_installed_is_named_with_what_installs_it(command):
    (command.folder / "ray.py").write_text("raise ImportError('no ray')")
    async with serve(plain_registry()) as server:
        engine = ("--engine", "ray", "--workers", "2")
        ended = await command(*scripted_crawl(server, "out", *engine), environment={"PYTHONPATH": command.folder})
    assert ended.code == 2
    assert ended.complaint == "scale.engine ray needs Ray: pip install 'registry-crawler[ray]'"
    assert not (command.folder / "out").exists()


@pytest.mark.parametrize("scheme", ["ray://", ""])
async def test_ray_cluster_that_cannot_be_reached_is_no_crawl(command, dead_port, scheme):
    """Ray itself would try for minutes, print what it tries, and not end on a signal."""
    config = command.folder / "config.toml"
    config.write_text(f'[scale]\naddress = "{scheme}{dead_port}"\n')
    options = ("--config", config, "--engine", "ray", "--workers", "2", "--output", "out")
    ended = await command("crawl", "localhost:5000", *options)
    assert ended.code == 1
    assert ended.complaint == f"Ray at {scheme}{dead_port} cannot be used: Connection refused: check the address"
    assert not (command.folder / "out").exists()
