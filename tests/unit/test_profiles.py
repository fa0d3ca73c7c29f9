"""Which ways a registry is known for: by its host, or by the kind that it is said to be of."""

import pytest

from crawler.model.names import Target
from crawler.profiles import PROFILES, PROFILES_BY_KIND, profile_for


def known(text, kind=None):
    return profile_for(Target.parse(text), kind)


def quota(text):
    target = Target.parse(text)
    return profile_for(target).quota(target)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("gcr.io", "gcr"),
        ("us.gcr.io/p", "gcr"),
        ("EU.GCR.IO", "gcr"),
        ("europe-docker.pkg.dev", "artifact-registry"),
        ("us-central1-docker.pkg.dev:443/p/r", "artifact-registry"),
        ("docker.io/library", "docker-hub"),
        ("ghcr.io", "ghcr"),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "ecr"),
        ("public.ecr.aws", "ecr-public"),
        ("ours.azurecr.io", "acr"),
        ("mcr.microsoft.com", "mcr"),
        ("quay.io", "quay"),
        ("registry.gitlab.com", "gitlab"),
        ("evilgcr.io", "distribution"),
        ("gcr.io.evil.example", "distribution"),
        ("evilpkg.dev", "distribution"),
        ("pkg.dev.evil.example", "distribution"),
        ("notquay.io", "distribution"),
        ("localhost:5000/gcr.io", "distribution"),
    ],
)
def test_a_registry_is_known_by_its_host_alone(text, kind):
    assert known(text).kind == kind


def test_a_kind_that_is_named_goes_before_the_host():
    assert known("registry.example.com", "harbor").kind == "harbor"
    assert known("gcr.io", "distribution").kind == "distribution"


def test_each_kind_stands_in_the_table_once():
    assert list(PROFILES_BY_KIND) == [profile.kind for profile in PROFILES]


def test_only_googles_hosts_are_googles():
    assert [profile.kind for profile in PROFILES if profile.is_google] == ["gcr", "artifact-registry"]


@pytest.mark.parametrize(
    ("text", "per_second"),
    [("gcr.io/p", 50_000 / 600), ("eu.gcr.io", 50_000 / 600), ("us-docker.pkg.dev/p", 1000), ("quay.io", 5)],
)
def test_published_quotas_are_known(text, per_second):
    assert quota(text).per_second == pytest.approx(per_second)


def test_hosts_that_nobody_knows_have_no_quota():
    assert quota("registry.example.com") is None
    assert quota("notgcr.io") is None


def test_hosts_share_a_quota_where_its_owner_counts_them_together():
    assert quota("gcr.io/a") == quota("eu.gcr.io/b")
    assert quota("us-docker.pkg.dev/a") != quota("us-docker.pkg.dev/b")
    assert quota("us-docker.pkg.dev/a") != quota("europe-docker.pkg.dev/a")


@pytest.mark.parametrize(
    ("kind", "name", "is_namespace"),
    [
        ("gcr", "project", True),
        ("gcr", "project/image", False),
        ("gcr", "example.com/project", True),
        ("gcr", "example.com/project/image", False),
        ("artifact-registry", "project/repository", True),
        ("artifact-registry", "project/repository/image", False),
        ("artifact-registry", "example.com/project/repository", True),
        ("distribution", "image", False),
        ("distribution", "example.com/image", False),
    ],
)
def test_projects_are_no_repositories(kind, name, is_namespace):
    assert PROFILES_BY_KIND[kind].is_namespace(name) is is_namespace
