"""Registries that share a quota share the line in which their exchanges begin."""

from crawler.model.names import Target
from crawler.profiles import ways_of
from crawler.run.crawl import SharedStarts


def quota(text):
    target = Target.parse(text)
    return ways_of(target).quota(target)


def test_who_shares_a_quota_stands_in_one_line():
    shared = SharedStarts()
    one = shared.under(quota("gcr.io/project-a"))
    assert one is not None
    assert shared.under(quota("eu.gcr.io/project-b")) is one
    assert shared.under(quota("us-docker.pkg.dev/project-a")) is not one


def test_without_a_quota_there_is_no_line():
    assert SharedStarts().under(quota("registry.example.com")) is None
