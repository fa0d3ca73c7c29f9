"""One authenticated request: the parsed body of a response with status 200, or an error that says what came instead."""

from collections.abc import Callable, Collection
from typing import Final, TypeVar

import anyio

from crawler.auth.credentials import Authenticator
from crawler.auth.lockout import MAX_REFUSALS, too_many_refusals
from crawler.auth.redirect_auth import RedirectAuth
from crawler.errors import Denied, Missing, RegistryError, UnexpectedStatus
from crawler.transport.fetch import Transport, is_same_origin
from crawler.transport.messages import Headers, Purpose, Request, Response
from crawler.wire.challenge import Challenge, parse_challenges
from crawler.wire.error_body import parse_consumer, parse_error_body

T = TypeVar("T")

_CONDITION: Final = "If-None-Match"

_ERROR_TYPES: dict[int, type[RegistryError]] = {401: Denied, 403: Denied, 404: Missing}


class AuthenticatedClient:
    """Sends GET requests to one service.

    `reauth_statuses` are the statuses that may mean expired credentials. `absence_codes` are the error codes by which
    the service itself says 404; a 404 with another code (an ingress's, a proxy's) is an UnexpectedStatus, since it
    proves nothing. None accepts every 404. `headers` are sent with every request. `meant_status` is that of each
    request. `last_accepted` is a request that the
    service has accepted the credentials for, and its scope.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        transport: Transport,
        *,
        reauth_statuses: Collection[int] = frozenset({401}),
        absence_codes: Collection[str] | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        meant_status: Callable[[Response], int] | None = None,
        last_accepted: tuple[Request, str] | None = None,
    ) -> None:
        self.authenticator = authenticator
        self._transport = transport
        self._reauth_statuses = reauth_statuses
        self._absence_codes = absence_codes
        self._headers = headers
        self._meant_status = meant_status
        self._last_accepted = last_accepted
        self._refusals = 0
        self._verification = anyio.Lock()
        self._redirect_auth = RedirectAuth(transport)

    async def get(
        self, url: str, scope: str, parse: Callable[[bytes], T], purpose: Purpose = Purpose.LISTING
    ) -> tuple[Headers, T]:
        """The headers of the response with status 200, and what `parse` makes of its body.

        `scope` is the token scope of the request, NO_SCOPE where it needs none. `parse` raises MalformedResponse for a
        body that it cannot read; the request is then sent again, as after a body that broke off. `purpose` is what the
        request is counted as.

        Raises:
            Denied: 401 or 403, with every credential that could be tried.
            Missing: 404, by the service's own word (see `absence_codes`).
            UnexpectedStatus: any other status, after the retries.
            UnusableResponse: a body that `parse` could not read, after the retries.
            RegistryError: no response at all, or an unsafe redirect; the base of all of the above.
            CredentialsError: credentials that cannot be loaded or renewed.
            GaveUp: an outage that lasts, or credentials that were refused MAX_REFUSALS times in a row.
        """
        header = self.authenticator.header_at_hand(scope)
        if header is None:
            header = await self.authenticator.header(scope)
        request = Request(
            url=url,
            authorization=header,
            parse=parse,
            purpose=purpose,
            absence_codes=self._absence_codes,
            headers=self._headers,
            meant_status=self._meant_status,
        )
        response = await self._transport.fetch(request)
        if response.status != 200:
            response = await self._retry_refused(request, scope, response)
        self._last_accepted, self._refusals = (request, scope), 0
        return response.headers, response.value

    async def send(self, request: Request, scope: str) -> Response:
        """The response with status 200 to a request that is more than a URL: a HEAD, a GET of a manifest.

        To a conditional request the response may have status 304. `request` comes without credentials; where it has no
        absence codes, every 404 is accepted. Raises what `get` raises.
        """
        request = request.replace(
            authorization=await self.authenticator.header(scope),
            headers=(*self._headers, *request.headers),
            meant_status=self._meant_status,
        )
        response = await self._transport.fetch(request)
        if not _is_accepted(request, response):
            response = await self._retry_refused(request, scope, response)
        self._last_accepted, self._refusals = (request, scope), 0
        return response

    async def _retry_refused(self, request: Request, scope: str, response: Response) -> Response:
        """The response that other credentials bring. Raises RegistryError where none is accepted."""
        if response.redirected_to and not is_same_origin(response.redirected_to, request.url):
            response = await self._retry_at_redirect(request, scope, response)
        elif response.status in self._reauth_statuses:
            response = await self._retry_reauthenticated(request, scope, response)
        if _is_accepted(request, response):
            return response
        if response.status in self._reauth_statuses and request.authorization is not None:
            await self._count_refusal(scope, _error_from(request, response))
        # not by a variable: an error has a traceback, which has this frame and its variables, and a cycle of them would
        # stay until the collector comes, with the callers' frames and all that they have read
        raise _error_from(request, response)

    async def _retry_reauthenticated(self, request: Request, scope: str, response: Response) -> Response:
        """The response to the same request with other credentials; the last refusal where none are left to try."""
        refused = [request.authorization]
        while response.status in self._reauth_statuses:
            header = await self.authenticator.refresh(scope, refused, _challenges(response))
            if header is None:
                break
            refused.append(header)
            response = await self._transport.fetch(request.replace(authorization=header))
            if _is_accepted(request, response):
                self.authenticator.on_accepted(scope, header)
        return response

    async def _retry_at_redirect(self, request: Request, scope: str, response: Response) -> Response:
        """The response of the other origin that a redirect led to, with an anonymous token of that origin.

        The registry's own credentials and headers never go there.
        """
        if response.status != 401:
            return response
        url = response.redirected_to
        header = await self._redirect_auth.header(url, scope, _challenges(response))
        if header is None:
            return response
        return await self._transport.fetch(request.replace(url=url, authorization=header, headers=()))

    async def _count_refusal(self, scope: str, error: RegistryError) -> None:
        """Count a refusal of the credentials. Raises GaveUp after MAX_REFUSALS in a row, if the credentials are bad.

        A block of repositories that the account may not read is refused in a row as well. So the credentials are tried
        on the last request that they were accepted for, and refusals end the run only where that is refused, too.
        A refusal of a token does not count: the token server has accepted the credentials.
        """
        if self.authenticator.uses_token(scope):
            return
        self._refusals += 1
        if self._refusals < MAX_REFUSALS:
            return
        async with self._verification:  # the first worker that comes verifies for all of them
            if self._refusals >= MAX_REFUSALS:
                await self._verify_credentials(error)

    async def _verify_credentials(self, error: RegistryError) -> None:
        if self._last_accepted is not None:
            request, scope = self._last_accepted
            header = await self.authenticator.header(scope)
            response = await self._transport.fetch(request.replace(authorization=header))
            if response.status not in self._reauth_statuses:
                self._refusals = 0
                return
        raise too_many_refusals(error)


def _is_accepted(request: Request, response: Response) -> bool:
    """Whether a response has what was requested. A 304 answers only a conditional request (RFC 9110 §15.4.5)."""
    if response.status == 304:
        return any(name == _CONDITION for name, _ in request.headers)
    return response.status == 200


def _error_from(request: Request, response: Response) -> RegistryError:
    detail = parse_error_body(response.body, response.status, response.redirected_to)
    error_type = _ERROR_TYPES.get(response.status, UnexpectedStatus)
    message, codes = detail.message, request.absence_codes
    if error_type is Missing and codes is not None and detail.code not in codes:
        error_type = UnexpectedStatus
        message = f"{message} (not the registry's own 404, so no proof that it is gone)"
    return error_type(
        request.summary,
        code=detail.code,
        message=message,
        http_status=response.status,
        consumer=parse_consumer(response.body),
    )


def _challenges(response: Response) -> tuple[Challenge, ...]:
    return parse_challenges(response.headers.getall("WWW-Authenticate", ()))
