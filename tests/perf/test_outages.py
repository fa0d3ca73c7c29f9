"""A registry or a token server that goes away in the middle of a crawl by the installed command, and comes back.

The short form of the soak's outages, which are longer, larger, and with default options all the same.
"""

from typing import get_args

import pytest

from perf.outages.crawls import outlive, own_hosts, survive
from perf.outages.plan import Kind, Plan

REPOSITORIES, AFTER = 1500, 300

KINDS = [
    pytest.param(
        kind,
        marks=pytest.mark.skipif(
            kind == "dns" and own_hosts() is None, reason="a process may not have its own /etc/hosts here (unshare)"
        ),
    )
    for kind in get_args(Kind)
]


def plan(kind, **changes):
    return Plan(**{"repositories": REPOSITORIES, "after": AFTER, "kind": kind, "seconds": 2, **changes})


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
def test_outage_of_the_registry_for_two_seconds_loses_nothing(kind, tmp_path):
    survival = survive(plan(kind), tmp_path)
    assert survival.is_whole, survival


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["refused", "502", "404"])
def test_outage_without_an_end_leaves_a_run_that_is_resumed_whole(kind, tmp_path):
    """Nothing is published, nothing is written off, and once the registry is back nothing is missing."""
    gone, resumed = outlive(plan(kind), tmp_path)
    assert gone.is_resumable, gone
    assert resumed.is_whole, resumed


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("auth", "kind"),
    [("bearer", "refused"), ("bearer", "503"), ("bearer", "404"), ("google", "refused"), ("google", "503")],
)
def test_outage_of_the_token_server_loses_nothing(auth, kind, tmp_path):
    """Tokens of one second, and a server so slow that they end while their issuer is away."""
    away = plan(kind, party="tokens", auth=auth, token_lifetime_s=1, latency_s=0.1)
    survival = survive(away, tmp_path)
    assert survival.is_whole, survival
