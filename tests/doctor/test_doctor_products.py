"""Every registry product, scripted: what a crawl can do, doctor does not call a failure."""

from collections.abc import Mapping

import pytest
from registries import SCRIPTED
from registries.crawls import config
from registries.vocabulary import BASIC, PASSWORD
from support.doctor_runs import examine
from support.scripted import serve

pytestmark = pytest.mark.usefixtures("few_authorities")

WARNINGS: Mapping[str, str] = {
    "distribution-2.8-page-size-too-large": "page size",
    "ecr-page-size-too-large": "page size",
    "acr-slow-catalog": "page size",
    "acr-slow-later-page": "page size",
    "quay-page-size-lowered": "page size",
    "quay-page-size-refused": "page size",
    "gitea-as-forgejo": "page size",
    "gitea-without-kind": "page size",
    "quay-anonymous": "names",
}
"""The step that warns: pages that cost more than they must, and names that a crawl calls partial, too."""


@pytest.mark.parametrize("name", SCRIPTED)
async def test_doctor_of_each_scripted_product(name, tmp_path):
    scripted = SCRIPTED[name]
    async with serve(scripted.script) as server:
        target = f"{server.host}/{scripted.prefix}" if scripted.prefix else server.host
        table = {"target": target, "kind": scripted.kind, "listed": scripted.listed, **scripted.config}
        found = await examine(config(server, tmp_path, **table))
    step = WARNINGS.get(name)
    assert found.amiss == ({} if step is None else {step: "warning"})
    assert found.state("listing") == ("skipped" if name == "quay-anonymous" else "ok")
    assert not [secret for secret in (PASSWORD, BASIC.removeprefix("Basic ")) if secret in str(found.document)]
