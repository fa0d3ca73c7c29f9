"""HTTP sessions for tests that send single requests: no retries, no redirects, no limiter."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from crawler.transport.bodies import MAX_BODIES_BYTES, BodyBudget
from crawler.transport.http import HttpSession, open_http_session
from crawler.transport.retry import Timeouts
from crawler.transport.tls import Certificates

TIMEOUTS = Timeouts(connect_s=20, read_s=20, total_s=40)


def http_session(
    ca_file: Path | None = None, bodies: BodyBudget | None = None, timeouts: Timeouts = TIMEOUTS
) -> AbstractAsyncContextManager[HttpSession]:
    """`bodies` is what all bodies may hold together."""
    certificates = Certificates(ca_file=ca_file)
    return open_http_session(
        user_agent="test",
        timeouts=timeouts,
        concurrency=8,
        certificates=certificates,
        bodies=bodies or BodyBudget(MAX_BODIES_BYTES),
    )
