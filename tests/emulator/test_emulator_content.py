"""What is in the emulator's images: does an audit find something of every kind?"""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from crawler.emulator import ArtifactRegistry, Inventory, Settings

BASE = "org.opencontainers.image.base"


@pytest.fixture(scope="module")
def inventory():
    return Inventory(Settings(giants=0, repositories=1000))


@pytest.fixture(scope="module")
def facts(inventory):
    """Facts by repository and digest."""
    return {(name, digest): facts for name in inventory.names for digest, facts in inventory.facts(name).items()}


@pytest.fixture(scope="module")
def configs(facts):
    """The configs of images with theirs."""
    return [(image, image["config"]) for image in facts.values() if image["config"] and image["kind"] == "image"]


def test_content_has_root_and_other_users(configs):
    users = {config["config"].get("User", "absent") for _, config in configs}
    assert users >= {"absent", "", "0", "root", "1000", "nonroot", "65532:65532"}


def test_content_has_one_and_many_platforms(facts, configs):
    single = {(config["os"], config["architecture"]) for _, config in configs}
    assert single == {("linux", "amd64"), ("linux", "arm64"), ("linux", "arm"), ("windows", "amd64")}
    assert all(config["os.version"] for _, config in configs if config["os"] == "windows")
    sizes = Counter()
    for image in facts.values():
        if image["kind"] == "index" and "platform" in image["platforms"][0]:
            sizes[sum(child["platform"]["os"] != "unknown" for child in image["platforms"])] += 1
    assert set(sizes) == {1, 2, 3, 4}


def test_content_has_labels_of_teams_and_images_without_any(configs):
    labels = [config["config"].get("Labels", {}) for _, config in configs]
    keys = {key for found in labels for key in found}
    assert keys >= {"team", "owner", "org.opencontainers.image.source", "org.opencontainers.image.version"}
    assert 0 < labels.count({}) < len(labels) / 2
    assert len({found["team"] for found in labels if "team" in found}) > 10
    assert all("%" not in value for found in labels for value in found.values())


def test_content_has_secrets_where_no_snapshot_may_have_them(configs):
    secrets = {
        value for _, config in configs for value in config["config"]["Env"] if value.startswith("DB_PASSWORD=hunter2-")
    }
    assert len(secrets) > 50
    history = {line["created_by"].removeprefix("ENV ") for _, config in configs for line in config["history"]}
    assert secrets <= history


def test_content_has_ports_healthchecks_and_commands(configs):
    settings = [config["config"] for _, config in configs]
    for key in ("ExposedPorts", "Healthcheck", "Entrypoint"):
        assert 0 < sum(key in found for found in settings) < len(settings)
    assert all(found["Cmd"] for found in settings)


def test_content_layers_have_as_many_digests_as_the_config(configs):
    for image, config in configs:
        diff_ids = config["rootfs"]["diff_ids"]
        assert len(image["layers"]) == len(diff_ids) == len(set(diff_ids))
        assert all(layer["size"] > 0 for layer in image["layers"])


def test_content_base_images_are_the_lowest_layers_of_others(facts, configs):
    by_digest = {digest: image for (_, digest), image in facts.items()}
    named_by = Counter()
    for image, config in configs:
        named_by[image["base_from"]] += 1
        if image["base_digest"] is None:
            continue
        below = by_digest[image["base_digest"]]["config"]["rootfs"]["diff_ids"]
        diff_ids = config["rootfs"]["diff_ids"]
        assert diff_ids[: len(below)] == below
        assert len(diff_ids) > len(below)
    assert set(named_by) == {None, "layers", "annotation", "label"}
    assert named_by["layers"] > named_by["annotation"] + named_by["label"]


def test_content_base_images_are_named_as_they_are(inventory, configs):
    folder = f"gcr.io/{inventory.names[0].partition('/')[0]}/base/"
    for image, config in configs:
        labels = config["config"].get("Labels", {})
        if image["base_from"] == "annotation":
            claim = image["manifest"]["annotations"]
        elif image["base_from"] == "label" and f"{BASE}.digest" in labels:
            claim = labels
        else:
            assert f"{BASE}.name" not in image["manifest"].get("annotations", {})
            continue
        assert claim[f"{BASE}.digest"] == image["base_digest"]
        name, _, tag = claim[f"{BASE}.name"].removeprefix(folder).partition(":")
        index = next(f for f in inventory.facts(f"my-project/base/{name}").values() if tag in f["tags"])
        assert image["base_digest"] in {child["digest"] for child in index["platforms"]}


def test_content_has_labels_that_are_inherited_from_a_base(facts, configs):
    by_digest = {digest: image for (_, digest), image in facts.items()}
    inherited = 0
    for image, config in configs:
        if image["base_from"] == "layers" and f"{BASE}.name" in config["config"].get("Labels", {}):
            below = by_digest[image["base_digest"]]["config"]["config"]["Labels"]
            inherited += below[f"{BASE}.name"] == config["config"]["Labels"][f"{BASE}.name"]
    assert inherited > 0


def test_content_has_the_same_image_in_several_repositories(facts):
    names = defaultdict(set)
    for name, digest in facts:
        names[digest].add(name)
    assert any(len(found) > 2 for found in names.values())


def test_content_shares_layers_between_builds_of_a_repository(facts):
    times = Counter(layer["digest"] for image in facts.values() for layer in image["layers"] or ())
    assert sum(count > 1 for count in times.values()) > 100


def test_content_has_charts(facts):
    configs = Counter(image["manifest"].get("config", {}).get("mediaType") for image in facts.values())
    assert configs["application/vnd.cncf.helm.config.v1+json"] > 10


def test_content_created_is_before_the_upload_and_not_in_the_future(inventory, configs):
    now = datetime.combine(Settings().today, datetime.min.time(), UTC)
    created = [datetime.fromisoformat(config["created"]) for _, config in configs if "created" in config]
    assert now - timedelta(days=1) < max(created) < now
    for name in inventory.names[:200]:
        for image in (inventory.listing(name) or {"manifest": {}})["manifest"].values():
            times = int(image["timeCreatedMs"]), int(image["timeUploadedMs"])
            assert 0 in times or times[0] <= times[1]


def test_content_facts_are_of_the_listed_images(inventory):
    for repository in inventory.truth():
        listed = repository.listing["manifest"] if repository.listing else {}
        facts = inventory.facts(repository.name)
        assert {digest: image["tag"] for digest, image in listed.items()} == {d: f["tags"] for d, f in facts.items()}


def test_content_of_another_host_is_another(inventory):
    hosts = [
        Inventory(Settings(repositories=50, artifact_registry=ArtifactRegistry(location=location)))
        for location in ("us-central1", "europe-west1")
    ]
    digests = [{digest for name in made.names for digest in made.facts(name)} for made in hosts]
    assert digests[0]
    assert not (digests[0] & digests[1]) - {digest for digest in digests[0] if digest.endswith("f8a")}
    assert any("/base/node20" in name for name in hosts[0].names)
