"""A password in an image's environment and history gets nowhere but into the cache."""

from base64 import b64encode

from support.distribution import open_registry, push_content, requires_docker_registry
from support.distribution.content import DOCKER, broken_image, built, image, image_config, to_json
from support.real_depth import configs_of, crawl_deep, images_of, problems_of
from support.snapshots import read_snapshot

from crawler.digest_cache.cache import DigestCache

pytestmark = requires_docker_registry

PASSWORD = b"hunter2"


def secret_config(**changes):
    return image_config(
        Env=["PATH=/bin", "TOKEN=hunter2"],
        history=["/bin/sh -c #(nop)  ENV TOKEN=hunter2", "RUN curl -u admin:hunter2 https://example.com"],
        **changes,
    )


def tagged_with_secrets():
    """Single images, an index, and an image whose config breaks off, so that its parser fails."""
    config = secret_config()
    whole = [image(config), image(config, DOCKER), *(image(secret_config(platform=f"linux/{one}")) for one in "ab")]
    return {
        "app": {"oci": whole[0], "docker": whole[1], "index": built(*whole[2:])},
        "broken": {"latest": broken_image(to_json(config)[:-10])},
    }


def spellings(secret: bytes) -> list[bytes]:
    """The secret as it is, in hexadecimal, and in base64 at each of the three places where it may begin."""
    found = [secret, secret.hex().encode(), secret.hex().upper().encode()]
    for before in range(3):
        encoded = b64encode(b"\0" * before + secret + b"\0" * 3)
        found.append(encoded[-(-8 * before // 6) : 8 * (before + len(secret)) // 6])
    return found


def expect_no_password(data: bytes, where: object) -> None:
    assert not [spelling for spelling in spellings(PASSWORD) if spelling in data], where


def test_spellings_are_found_wherever_the_secret_stands():
    for before in range(7):
        text = b"x" * before + PASSWORD + b"yyyyy"
        assert any(spelling in b64encode(text) for spelling in spellings(PASSWORD)[3:])


async def test_depth_writes_no_value_of_the_environment_outside_the_cache(tmp_path, shell):
    tagged = tagged_with_secrets()
    async with open_registry(tmp_path / "registry") as registry:
        await push_content(registry, tagged)
        ended = await crawl_deep(shell, registry.host, "-vv", "--log-format", "json")
        streamed = await crawl_deep(shell, registry.host, "--output", "-", "-vv")

    assert (ended.code, streamed.code) == (0, 0)
    snapshot = read_snapshot(shell.output)
    names = [image["config"]["env_names"] for image in images_of(snapshot).values() if image["config"]]
    assert names.count(["PATH", "TOKEN"]) >= 2
    assert ("broken", "manifest-unreadable") in {(name, problem) for name, problem, _ in problems_of(snapshot)}

    cache = shell.output / ".cache"
    files = [path for path in shell.folder.rglob("*") if path.is_file()]
    for path in files:
        if cache not in path.parents:
            expect_no_password(path.read_bytes(), path)
    assert shell.output / ".cache" / "digests.sqlite" in files
    assert snapshot.folder / "_run.json" in files
    for run in (ended, streamed):
        assert "env_names" in run.stdout or "/manifests/" in run.stderr  # the run has output to search
        expect_no_password(run.all_output.encode(), "output")

    with DigestCache.open(cache / "digests.sqlite") as kept:
        configs = [kept.get(digest) for digest in configs_of(tagged["app"].values())]
    assert all(config is not None and PASSWORD in config.body for config in configs)
