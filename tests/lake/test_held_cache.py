"""A digest cache that a lake holds: crawls with an empty disk have what others read, and nothing read is lost."""

import asyncio
import fcntl
import json
import logging
import signal
from contextlib import AsyncExitStack

import obstore
import pytest
from support.digests import digest_of
from support.lake_servers import SECRET, requires_azurite
from support.run_cli import google_crawl_with_progress, scripted_crawl
from support.scripted import plain_registry, serve
from support.scripted_images import blobs, config, image, manifests

import crawler
from crawler.digest_cache.cache import DigestCache
from crawler.digest_cache.union import count
from crawler.digest_cache.values import Content
from crawler.lake.held_cache import HeldCache

NAME = "caches/digests.sqlite"


def registry_of(name, layer):
    """A registry with one image, and the digests of its two contents."""
    own = config(layer)
    single = image(own, layer)
    tags = {"1.0": single}
    return [*manifests(name, tags), *blobs(name, own), *plain_registry({name: tags})], {own.digest, single.digest}


APP, APP_DIGESTS = registry_of("team/app", "app")
WEB, WEB_DIGESTS = registry_of("team/web", "web")
DEEP = ("--depth", "configs")


def held(lake, tmp_path):
    """The digests of both registries that the lake's cache has."""
    file = tmp_path / "of-the-lake.sqlite"
    file.write_bytes(lake.objects()[NAME])
    with DigestCache.open(file) as cache:
        assert cache.notes == []
        return {digest for digest in APP_DIGESTS | WEB_DIGESTS if cache.get(digest) is not None}


def by_kind(command, ended):
    """The exchanges of a run, which has a snapshot."""
    return json.loads((command.folder / ended.snapshot / "_run.json").read_bytes())["requests"]["by_kind"]


async def test_lake_cache_spares_a_crawl_with_an_empty_disk_every_manifest(command, google, cloud):
    registry = await google(repositories=8)
    url = f"{cloud.url}/{NAME}"

    async def night(output):
        arguments = google_crawl_with_progress(registry, "--no-progress", *DEEP, "--cache", url)
        ended = await command(*arguments, "--output", output, environment=cloud.environment)
        assert ended.code == 0, ended.err
        assert SECRET not in ended.err
        return ended

    first = await night("first")
    assert by_kind(command, first)["manifest"] > 0
    assert f"registry-crawler: digest cache {url}: " in first.err
    assert "MB put back" in first.err
    objects = cloud.objects()
    assert list(objects) == [NAME]
    second = await night("second")
    assert by_kind(command, second).keys().isdisjoint({"manifest", "blob"})
    assert second.err.count("MB fetched") == 1
    assert "put back" not in second.err
    assert cloud.objects() == objects
    (file,) = (command.folder / "second" / ".cache").glob("*.sqlite")
    assert file.stat().st_mode & 0o777 == 0o600


async def test_lake_cache_has_what_each_of_two_crawls_read_that_end_at_once(command, moto, tmp_path):
    lake = moto.s3()
    options = (*DEEP, "--cache", f"{lake.url}/{NAME}")
    async with serve(APP) as app, serve(WEB) as web:
        with moto.holding(1) as held_put:
            first = scripted_crawl(app, "first", *options)
            async with command.started(*first, environment=lake.environment) as process:
                assert await asyncio.to_thread(held_put.wait, 60)
                second = await command(*scripted_crawl(web, "second", *options), environment=lake.environment)
                assert second.code == 0
                assert held(lake, tmp_path) == WEB_DIGESTS
                moto.is_released.set()  # the answer is 503; the second attempt finds that the object is there
                _, err = await process.communicate()
    assert process.returncode == 0
    assert held(lake, tmp_path) == APP_DIGESTS | WEB_DIGESTS
    told = [line for line in err.decode().splitlines() if "digest cache" in line]
    assert ["fetched" in told[0], "put back" in told[1], len(told)] == [True, True, 2]


# not "gs": moto heeds no x-goog-if-generation-match
@pytest.mark.parametrize("cloud", ["s3", pytest.param("az", marks=requires_azurite)], indirect=True)
async def test_lake_cache_of_many_crawls_at_once_has_what_all_read(command, cloud, tmp_path):
    registries = [registry_of(f"team/{number}", f"layer {number}") for number in range(4)]
    async with AsyncExitStack() as servers:
        crawls = [
            scripted_crawl(await servers.enter_async_context(serve(script)), f"out-{number}", *DEEP)
            for number, (script, _) in enumerate(registries)
        ]
        options = ("--cache", f"{cloud.url}/{NAME}")
        all_ended = await asyncio.gather(
            *(command(*crawl, *options, environment=cloud.environment) for crawl in crawls)
        )
    assert [ended.code for ended in all_ended] == [0] * 4, "".join(e.err for e in all_ended)
    file = tmp_path / "of-the-lake.sqlite"
    file.write_bytes(cloud.objects()[NAME])
    with DigestCache.open(file) as cache:
        assert all(cache.has(digest) for _, digests in registries for digest in digests)


async def test_lake_cache_in_a_folder_is_for_its_owner_alone_and_written_once(command, tmp_path):
    folder = tmp_path / "our caches"
    url = f"file://{tmp_path}/our%20caches/digests.sqlite"
    async with serve(APP) as server:
        await command(*scripted_crawl(server, "first", *DEEP, "--cache", url))
        written = (folder / "digests.sqlite").stat()
        ended = await command(*scripted_crawl(server, "second", *DEEP, "--cache", url))
    assert ended.code == 0
    assert by_kind(command, ended).get("blob") is None
    assert written.st_mode & 0o777 == 0o600
    assert (folder / "digests.sqlite").stat().st_mtime_ns == written.st_mtime_ns
    assert {path.name for path in folder.iterdir()} == {"digests.sqlite", "digests.sqlite.lock"}


def html(_):
    return b"<html>please log in</html>", "file is not a database"


def newer(path):
    with DigestCache.open(path):
        pass
    content = bytearray(path.read_bytes())
    content[60:64] = (9).to_bytes(4, "big")  # the user version (sqlite.org/fileformat.html, section 1.3)
    return bytes(content), "it has version 9, and this program reads version 1"


def truncated(path):
    with DigestCache.open(path) as cache:
        for number in range(200):
            cache.put(digest_of(b"%d" % number), Content(b"%d" % number, None))
    return path.read_bytes()[:20_000], "database disk image is malformed"


@pytest.mark.parametrize("make", [html, newer, truncated])
async def test_lake_cache_that_is_none_is_left_alone_and_named(command, moto, tmp_path, make):
    lake = moto.s3()
    content, reason = make(tmp_path / "made.sqlite")
    obstore.put(lake.store, NAME, content)
    url = f"{lake.url}/{NAME}"
    async with serve(APP) as server:
        ended = await command(*scripted_crawl(server, "out", *DEEP, "--cache", url), environment=lake.environment)
    assert ended.code == 0
    assert by_kind(command, ended)["blob"] == 1
    named = f"registry-crawler: digest cache {url}: {reason}; the object is left as it is: look at it, and remove it; "
    assert [line.startswith(named) for line in ended.err.splitlines() if "digest cache" in line] == [True, True]
    assert lake.objects() == {NAME: content}


async def test_lake_cache_that_cannot_be_put_back_costs_no_snapshot_and_is_put_back_the_next_night(
    command, moto, tmp_path
):
    lake = moto.s3()
    moto.fail_from = 1
    options = (*DEEP, "--cache", f"{lake.url}/{NAME}")
    async with serve(APP) as server:
        failed = await command(*scripted_crawl(server, "out", *options), environment=lake.environment)
    assert failed.code == 0
    assert by_kind(command, failed)["blob"] == 1
    last = failed.err.splitlines()[-1]
    assert "503 Service Unavailable: SlowDown: Reduce your rate" in last
    assert "the next run with this output folder puts it back" in last
    assert SECRET not in failed.err
    moto.fail_from = 0
    async with serve(WEB) as server:
        later = await command(*scripted_crawl(server, "out", *options), environment=lake.environment)
    assert later.code == 0
    assert held(lake, tmp_path) == APP_DIGESTS | WEB_DIGESTS


async def test_lake_cache_of_a_lake_that_is_down_costs_no_snapshot(command, dead_port):
    environment = {
        "AWS_ACCESS_KEY_ID": "AKIAOFTESTS",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{dead_port}",
    }
    async with serve(APP) as server:
        arguments = scripted_crawl(server, "out", *DEEP, "--cache", "s3://lake/digests.sqlite")
        ended = await command(*arguments, environment=environment)
    assert ended.code == 0
    assert by_kind(command, ended)["blob"] == 1
    told = [line for line in ended.err.splitlines() if "digest cache" in line]
    assert ["Connection refused" in line for line in told] == [True, True]
    assert SECRET not in ended.err


async def test_lake_cache_is_not_asked_for_where_no_image_is_read(command, dead_port):
    environment = {"AWS_ENDPOINT_URL": f"http://{dead_port}"}
    async with serve(APP) as server:
        arguments = scripted_crawl(server, "out", "--cache", "s3://lake/digests.sqlite")
        ended = await command(*arguments, environment=environment)
    assert ended.code == 0
    assert "digest cache" not in ended.err


async def test_sigterm_while_the_lake_cache_is_put_back_ends_the_command_with_the_snapshot(command, moto, tmp_path):
    lake = moto.s3()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {**lake.environment, "TMPDIR": str(scratch)}
    async with serve(APP) as server:
        with moto.holding(1) as held_put:
            arguments = scripted_crawl(server, "out", *DEEP, "--cache", f"{lake.url}/{NAME}")
            async with command.started(*arguments, environment=environment) as process:
                assert await asyncio.to_thread(held_put.wait, 60)
                process.send_signal(signal.SIGTERM)
                _, err = await process.communicate()
    assert process.returncode == 0  # as once any snapshot stands
    assert ": interrupted; " in err.decode().splitlines()[-1]
    assert list(scratch.iterdir()) == []
    assert len(list((tmp_path / "out").glob("source=*/date=*/run=*/_SUCCESS"))) == 1


async def test_sigterm_while_the_lake_cache_is_fetched_ends_the_command_before_its_run(command, tmp_path):
    asked = asyncio.Event()

    async def never_answer(reader, writer):
        asked.set()
        await reader.read()
        writer.close()

    async with serve(APP) as registry, await asyncio.start_server(never_answer, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        environment = {
            "AWS_ACCESS_KEY_ID": "AKIAOFTESTS",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        }
        arguments = scripted_crawl(registry, "out", *DEEP, "--cache", "s3://lake/digests.sqlite")
        async with command.started(*arguments, environment=environment) as process:
            await asyncio.wait_for(asked.wait(), 60)
            process.send_signal(signal.SIGTERM)
            _, err = await process.communicate()
        assert registry.requests == []
    assert process.returncode == 143
    (note,) = [line for line in err.decode().splitlines() if "digest cache" in line]
    assert ": interrupted; " in note
    assert not (tmp_path / "out").exists()


async def test_lake_cache_whose_put_loses_its_answer_is_there(command, moto, tmp_path):
    lake = moto.s3()
    moto.lose = 1
    async with serve(APP) as server:
        arguments = scripted_crawl(server, "out", *DEEP, "--cache", f"{lake.url}/{NAME}")
        ended = await command(*arguments, environment=lake.environment)
    assert ended.code == 0
    assert held(lake, tmp_path) == APP_DIGESTS
    assert "; " not in "".join(line for line in ended.err.splitlines() if "digest cache" in line)


async def test_prune_leaves_the_lake_cache_and_its_copy_alone(command, tmp_path):
    url = f"file://{tmp_path}/caches/digests.sqlite"
    async with serve(APP) as server:
        await command(*scripted_crawl(server, "out", *DEEP, "--cache", url))
    (copy,) = (tmp_path / "out" / ".cache").glob("*.sqlite")
    before = copy.read_bytes(), (tmp_path / "caches" / "digests.sqlite").read_bytes()
    ended = await command("runs", "prune", "--output", "out", "--cache", url)
    assert ended.code == 0
    assert f"registry-crawler: digest cache {url} is left: " in ended.err
    assert (copy.read_bytes(), (tmp_path / "caches" / "digests.sqlite").read_bytes()) == before


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (
            ["--cache", "s3://bucket"],
            {},
            "--cache: cache.path: must name an object, not a whole lake: s3://BUCKET/cache.sqlite, file:///FOLDER/FILE",
        ),
        (["--cache", "https://bucket.example.com/x"], {}, "--cache: cache.path: must be s3://BUCKET/PATH, "),
        (["--cache", "s3://id:pass-word@bucket/x"], {}, "--cache: cache.path: must be a URL without a user"),
        (
            ["--cache", "s3://bucket/x", "--output", "-"],
            {},
            "cache.path in a lake needs a copy on the disk: set output.path to a folder (--output)",
        ),
        (
            ["--cache", "s3://bucket/x", *DEEP],
            {"AWS_SECRET_ACCESS_KEY": "pass-word\n"},
            "AWS_SECRET_ACCESS_KEY must have no line breaks",
        ),
    ],
)
async def test_wrong_lake_cache_ends_a_crawl_before_it_begins(command, dead_port, arguments, environment, message):
    ended = await command("crawl", dead_port, *arguments, environment=environment)
    assert ended.code == 2
    assert message in ended.complaint
    assert "pass-word" not in ended.err


async def test_library_has_the_lake_cache_too(tmp_path, caplog):
    url = f"file://{tmp_path}/caches/digests.sqlite"

    def settings(server, output):
        tables = {"images": {"depth": "configs"}, "cache": {"path": url}, "output": {"path": tmp_path / output}}
        return crawler.Config(registry=[{"target": server.host}], **tables)

    async with serve(APP) as server:
        await crawler.crawl(settings(server, "first"))
        read = [request for request in server.requests if "/blobs/" in request.target]
        with caplog.at_level(logging.INFO, "crawler"):
            async with crawler.open_records(settings(server, "second")) as records:
                (record,) = [record async for record in records]
        assert {one.digest for one in record.images} < APP_DIGESTS
        assert [request for request in server.requests if "/blobs/" in request.target] == read != []
    assert [message.count("MB fetched") for message in caplog.messages if "digest cache" in message] == [1]


def filled(path, *bodies):
    with DigestCache.open(path) as cache:
        for body in bodies:
            cache.put(digest_of(body), Content(body, None))
    return path


def test_lake_cache_that_others_replace_again_and_again_is_given_up(tmp_path):
    url, file = f"file://{tmp_path}/lake/digests.sqlite", filled(tmp_path / "ours.sqlite", b"ours")
    cache = HeldCache.open(url, file, {}, patience_s=0)
    assert cache.fetch(tmp_path) == []
    (tmp_path / "lake").mkdir()
    with (tmp_path / "lake" / "digests.sqlite.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ((line, level),) = cache.put_back(tmp_path)
    assert line.startswith(f"digest cache {url}: other runs replaced it for 0 s, again and again; {file} keeps ")
    assert level == logging.WARNING


def test_lake_cache_that_is_removed_meanwhile_is_made_again(tmp_path):
    url, file = f"file://{tmp_path}/digests.sqlite", filled(tmp_path / "ours.sqlite", b"ours")
    filled(tmp_path / "digests.sqlite", b"theirs")
    cache = HeldCache.open(url, file, {})
    cache.fetch(tmp_path)
    (tmp_path / "digests.sqlite").unlink()
    ((line, level),) = cache.put_back(tmp_path)
    assert line.endswith("2 entries more")
    assert level == logging.INFO
    assert count(tmp_path / "digests.sqlite") == 2


def test_lake_cache_is_not_put_back_from_a_damaged_file(tmp_path):
    url, file = f"file://{tmp_path}/digests.sqlite", filled(tmp_path / "ours.sqlite", b"ours")
    cache = HeldCache.open(url, file, {})
    cache.fetch(tmp_path)
    file.write_text("half of it")
    ((line, _),) = cache.put_back(tmp_path)
    assert line.startswith(f"digest cache {url}: {file}: file is not a database; ")
    assert not (tmp_path / "digests.sqlite").exists()


def test_lake_cache_makes_nothing_where_nothing_was_read(tmp_path):
    cache = HeldCache.open(f"file://{tmp_path}/digests.sqlite", tmp_path / "ours.sqlite", {})
    assert cache.fetch(tmp_path) == []
    assert cache.put_back(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
