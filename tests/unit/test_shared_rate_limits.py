"""Registries that share a quota share the rate limiter of their exchanges."""

from crawler.model.names import Target
from crawler.profiles import profile_for
from crawler.run.plan import SharedRateLimits


def quota(target_text):
    target = Target.parse(target_text)
    return profile_for(target).quota(target)


def test_rate_limiter_is_shared_by_registries_of_one_quota():
    shared = SharedRateLimits()
    limiter = shared.for_quota(quota("gcr.io/project-a"))
    assert limiter is not None
    assert shared.for_quota(quota("eu.gcr.io/project-b")) is limiter
    assert shared.for_quota(quota("us-docker.pkg.dev/project-a")) is not limiter


def test_rate_limiter_is_none_without_a_quota():
    assert SharedRateLimits().for_quota(quota("registry.example.com")) is None
