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


async def test_token_is_at_hand_from_its_request_to_its_renewal():
    clock, scope = Time(), scope_of("team/app")
    granted = document({"token": "token-{count}", "expires_in": 60})
    async with serve([on("/token", granted)]) as server, bearer(server, ANONYMOUS, clock) as authenticator:
        assert authenticator.header_at_hand(scope) is None
        await authenticator.header(scope)
        at_hand = []
        for seconds in (0.0, 54.9, 55.1):
            clock.now = seconds
            at_hand.append(authenticator.header_at_hand(scope))
    assert at_hand == ["Bearer token-1", "Bearer token-1", None]


async def requests_until_refused(lifetime_s: float, *, exchange_takes_s: float) -> list[str | None]:
    """The headers of one request that is refused each time, after a wait for its permit and its retries."""
    clock, scope = Time(), scope_of("team/app")
    granted = document({"token": "token-{count}", "expires_in": lifetime_s})
    async with serve([on("/token", granted)]) as server, bearer(server, ANONYMOUS, clock, clock.sleep) as authenticator:
        headers: list[str | None] = [await authenticator.header(scope)]
        while True:
            clock.now += exchange_takes_s
            header = await authenticator.refresh(scope, headers, ())
            if header is None:
                return headers
            headers.append(header)


async def test_token_that_expires_on_the_way_is_no_refusal():
    """A request may wait for its permit and its retries longer than its token lives, and more than once."""
    assert await requests_until_refused(3, exchange_takes_s=4) == [f"Bearer token-{n}" for n in range(1, 9)]


async def test_token_that_is_refused_while_it_is_valid_is_believed():
    assert await requests_until_refused(60, exchange_takes_s=4) == ["Bearer token-1", "Bearer token-2"]
