"""Registries that share a quota share the line in which their exchanges begin."""

from crawler.model.names import Target
from crawler.profiles import profile_for
from crawler.run.plan import SharedRateLimits


def quota(text):
    target = Target.parse(text)
    return profile_for(target).quota(target)


def test_who_shares_a_quota_stands_in_one_line():
    shared = SharedRateLimits()
    one = shared.for_quota(quota("gcr.io/project-a"))
    assert one is not None
    assert shared.for_quota(quota("eu.gcr.io/project-b")) is one
    assert shared.for_quota(quota("us-docker.pkg.dev/project-a")) is not one


def test_without_a_quota_there_is_no_line():
    assert SharedRateLimits().for_quota(quota("registry.example.com")) is None
