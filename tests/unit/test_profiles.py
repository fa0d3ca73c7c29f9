"""Registry profiles: which one a target gets, its quota, and which names are containers of repositories."""

import pytest

from crawler.model.limits import Quota, Rate
from crawler.model.names import Target
from crawler.profiles import PROFILES, PROFILES_BY_KIND, profile_for


def profile(text, kind=None):
    return profile_for(Target.parse(text), kind)


def quota(text, kind=None):
    target = Target.parse(text)
    return profile_for(target, kind).quota(target)


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
def test_profile_is_chosen_by_the_host_alone(text, kind):
    assert profile(text).kind == kind


def test_profile_of_a_configured_kind_goes_before_the_host():
    assert profile("registry.example.com", "harbor").kind == "harbor"
    assert profile("gcr.io", "distribution").kind == "distribution"


def test_profile_table_has_each_kind_once():
    assert list(PROFILES_BY_KIND) == [profile.kind for profile in PROFILES]


def test_profile_is_googles_for_googles_products_alone():
    assert [profile.kind for profile in PROFILES if profile.is_google] == ["gcr", "artifact-registry"]


@pytest.mark.parametrize(
    ("text", "per_second"),
    [
        ("gcr.io/p", 50_000 / 600),
        ("eu.gcr.io", 50_000 / 600),
        ("us-docker.pkg.dev/p", 1000),
        ("ghcr.io", 2000 / 60),
        ("quay.io", 5),
    ],
)
def test_quota_is_the_published_one(text, per_second):
    assert quota(text).per_second == pytest.approx(per_second)


def test_quota_is_none_for_unknown_hosts():
    assert quota("registry.example.com") is None
    assert quota("notgcr.io") is None


@pytest.mark.parametrize(
    ("one", "other", "is_shared"),
    [
        ("gcr.io/a", "eu.gcr.io/b", True),
        ("us-docker.pkg.dev/a", "us-docker.pkg.dev/a/repository", True),
        ("us-docker.pkg.dev/a", "us-docker.pkg.dev/b", False),
        ("us-docker.pkg.dev/a", "europe-docker.pkg.dev/a", False),
        ("us-docker.pkg.dev/example.com/a", "us-docker.pkg.dev/example.com/b", False),
        ("ghcr.io/a", "ghcr.io/b", True),
        ("ghcr.io", "quay.io", False),
    ],
)
def test_quota_is_shared_where_its_owner_counts_exchanges_together(one, other, is_shared):
    assert (quota(one) == quota(other)) is is_shared
    assert (len({quota(one), quota(other)}) == 1) is is_shared


def test_quota_is_identified_by_key_and_windows_and_not_by_its_label():
    windows = (Rate(5, 1),)
    assert Quota(("quay", "client address"), "Quay's limit", windows) == quota("quay.io")
    assert Quota(("quay", "client address"), "5 a second", windows) == quota("quay.io")
    assert Quota(("quay", "client address"), "Quay's limit", (Rate(6, 1),)) != quota("quay.io")
    assert Quota(("ghcr", "client address"), "Quay's limit", windows) != quota("quay.io")


def test_quota_label_names_project_and_host():
    assert quota("us-docker.pkg.dev/a/repository").label == "Artifact Registry's quota for a at us-docker.pkg.dev"
    assert quota("us-docker.pkg.dev").label == "Artifact Registry's quota for a project at us-docker.pkg.dev"


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
def test_namespace_is_a_project_and_no_repository(kind, name, is_namespace):
    assert PROFILES_BY_KIND[kind].is_namespace(name) is is_namespace
