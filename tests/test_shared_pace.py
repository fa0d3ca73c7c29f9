"""Registries that share a quota share the line in which their exchanges begin."""

from crawler.pace import published_quota
from crawler.run.crawl import SharedStarts


def test_who_shares_a_quota_stands_in_one_line():
    shared = SharedStarts()
    one = shared.under(published_quota("gcr.io", "project-a"))
    assert one is not None
    assert shared.under(published_quota("eu.gcr.io", "project-b")) is one
    assert shared.under(published_quota("us-docker.pkg.dev", "project-a")) is not one


def test_without_a_quota_there_is_no_line():
    assert SharedStarts().under(published_quota("registry.example.com", "")) is None
