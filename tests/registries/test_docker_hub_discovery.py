"""Docker Hub's API lists fewer repositories than there are, or none: the snapshot is partial."""

import pytest
from support.scripted import document, on, plain_registry
from support.scripted_google import crawl, reason_of


@pytest.mark.parametrize("discovery", ["auto", "api"])
@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (
            document({"count": 3, "next": None, "results": [{"name": "alpha"}, {"name": "zulu"}]}),
            "Docker Hub listed 2 of 3 public repositories of library, and no next page",
        ),
        (
            document({"count": 0, "next": None, "results": []}),
            "Docker Hub lists no public repository of library, which proves nothing: check the namespace",
        ),
        (
            document({"message": "object not found"}, status=404),
            "404 HTTP_404: object not found), which proves nothing: check the namespace, and name private",
        ),
    ],
    ids=["fewer than it counts", "a namespace without any", "no such namespace"],
)
async def test_docker_hub_that_lists_fewer_repositories_than_it_has_is_partial(reply, why, discovery, tmp_path):
    held = plain_registry({"library/alpha": ("1",), "library/zulu": ("2",)})
    script = [on("/v2/namespaces/library/repositories", reply), *held]
    changes = {"kind": "docker-hub", "discovery": discovery, "auth": {"method": "anonymous"}, "location": None}
    snapshot = await crawl(script, tmp_path, prefix="/library", **changes)
    assert why in reason_of(snapshot)
