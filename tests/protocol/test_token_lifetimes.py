"""How long before it expires a registry token is renewed: five seconds, or a tenth of a short life."""

import pytest
from support.bearer_auth import bearer, scope_of
from support.fake_clock import Time
from support.scripted import document, on, serve

from crawler.auth.bearer import renewal_margin
from crawler.auth.credentials import ANONYMOUS


@pytest.mark.parametrize(
    ("lifetime_s", "margin_s"), [(3600, 5), (300, 5), (60, 5), (50, 5), (49, 4.9), (20, 2), (5, 0.5), (1, 0.1)]
)
def test_token_renewal_margin_is_five_seconds_or_a_tenth_of_a_short_life(lifetime_s, margin_s):
    assert renewal_margin(lifetime_s) == pytest.approx(margin_s)


@pytest.mark.parametrize(
    ("lifetime_s", "used_until_s", "renewed_at_s"), [(3, 2.6, 2.8), (20, 17.9, 18.1), (60, 54.9, 55.1)]
)
async def test_token_renewal_comes_after_nine_tenths_of_a_short_life(lifetime_s, used_until_s, renewed_at_s):
    """With the margin of a long life, a token of three seconds would be renewed before every request."""
    clock = Time()
    granted = document({"token": "token-{count}", "expires_in": lifetime_s})
    async with serve([on("/token", granted)]) as server, bearer(server, ANONYMOUS, clock) as authenticator:
        headers = []
        for seconds in (0.0, used_until_s, renewed_at_s):
            clock.now = seconds
            headers.append(await authenticator.header(scope_of("team/app")))
    assert headers == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]
