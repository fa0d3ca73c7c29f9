"""ECR's API as moto has it, a server that other people wrote: names, images and manifests by signed requests."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from moto.server import ThreadedMotoServer
from registries.ecr_api import ECR_SERVICE, crawl_api
from support.scripted import on, plain_registry, refusal, serve
from support.scripted_images import child, config, image, index

pytestmark = pytest.mark.usefixtures("few_authorities", "aws")

CONFIG = config()
CHILD = image(CONFIG, "child")
CONTENTS = {
    "app": {"1.0": image(CONFIG, "a"), "1.1": image(CONFIG, annotations={"who": "Zoë"})},
    "team/web": {"edge": index(child(CHILD)), None: CHILD},
}
"""The images of each repository by tag; None for one without a tag."""

Call = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def moto_server() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def call(moto_server) -> Iterator[Call]:
    """An operation of ECR, of the account and region that the crawl has. moto forgets everything afterwards."""

    def call(operation: str, **parameters: Any) -> dict[str, Any]:
        headers = {
            "Authorization": "AWS4-HMAC-SHA256 Credential=AKIDSCRIPTED/20261127/eu-west-1/ecr/aws4_request",
            "X-Amz-Target": f"{ECR_SERVICE}.{operation}",
            "Content-Type": "application/x-amz-json-1.1",
        }
        request = urllib.request.Request(f"{moto_server}/", json.dumps(parameters).encode(), headers)
        with urllib.request.urlopen(request) as response:
            answer: dict[str, Any] = json.load(response)
        return answer

    yield call
    reset = urllib.request.Request(f"{moto_server}/moto-api/reset", method="POST")
    urllib.request.urlopen(reset).close()


def push(call: Call) -> None:
    """moto makes a digest of its own where none is named."""
    for name, contents in CONTENTS.items():
        call("CreateRepository", repositoryName=name)
        for tag, content in contents.items():
            call(
                "PutImage",
                repositoryName=name,
                imageManifest=content.body.decode(),
                imageManifestMediaType=content.media_type,
                imageDigest=content.digest,
                **({} if tag is None else {"imageTag": tag}),
            )


async def test_ecr_moto_is_crawled_as_deep_as_manifests(tmp_path, moto_server, call):
    push(call)
    async with serve(plain_registry({})) as server:
        snapshot = await crawl_api(server, tmp_path, {"depth": "manifests"}, kind="ecr", apis={"own": moto_server})
        assert server.paths == ["/v2/"]
    assert snapshot.manifest["verdict"] == "complete"
    assert snapshot.manifest["requests"]["by_kind"] == {"ping": 1, "api": 1 + 2 + 2}
    assert {name: record["tags"] for name, record in snapshot.by_name.items()} == {
        "app": ["1.0", "1.1"],
        "team/web": ["edge"],
    }
    for name, contents in CONTENTS.items():
        recorded = {image["digest"]: image for image in snapshot.by_name[name]["images"]}
        assert recorded.keys() == {content.digest for content in contents.values()}
        for tag, content in contents.items():
            its_image = recorded[content.digest]
            assert its_image["tags"] == ([] if tag is None else [tag])
            assert its_image["media_type"] == content.media_type
            assert its_image["uploaded_at"] is not None
            assert its_image["manifest"] is not None
            is_index = tag == "edge"
            assert its_image["kind"] == ("index" if is_index else "image")
            assert its_image["size_bytes"] == (None if is_index else CONFIG.descriptor["size"])


async def test_ecr_moto_repository_that_does_not_exist_is_missing(tmp_path, moto_server, call):
    """The names come from a file. The API refuses one of them, and the protocol has the last word."""
    push(call)
    names = tmp_path / "names.txt"
    names.write_text("app\nteam/none\n")
    none = on("/v2/team/none/tags/list", refusal(404, "NAME_UNKNOWN", "not known"))
    async with serve([*plain_registry({}), none]) as server:
        snapshot = await crawl_api(
            server,
            tmp_path,
            {"depth": "digests"},
            kind="ecr",
            apis={"own": moto_server},
            discovery="list",
            repositories_from=str(names),
        )
    assert snapshot.outcomes == {"app": "ok", "team/none": "missing"}
