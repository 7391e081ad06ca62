"""Sends requests over httpx, and repeats those that are safe to repeat.

stamina repeats: it is one policy for both clients, bounded in time and with jitter, as thousands of notebooks may wait
for one service. A download that makes progress resets the time.
"""

from __future__ import annotations

import contextlib
import logging
import ssl
import weakref
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx
import stamina

from quantumjob import errors
from quantumjob.rest.calls import Call, Request, Response
from quantumjob.rest.connection import CA, Connection
from quantumjob.rest.resumable_download import ResumableBody

T = TypeVar("T")

TIMEOUT_SECONDS: Final = 30.0
CONNECT_SECONDS: Final = 10.0
PATIENCE_SECONDS: Final = 30.0
"""Seconds for which a request is repeated."""
WAIT_PATIENCE_SECONDS: Final = 600.0
"""Seconds for which a long poll is repeated: long enough for a reinstallation of the service."""
INVALID_REQUEST: Final = (httpx.LocalProtocolError, httpx.UnsupportedProtocol)
"""Errors of a request that is not valid HTTP. A repeat cannot succeed."""

# stamina logs each repeat. Without this handler, Python would print them where logging is not configured.
logging.getLogger("stamina").addHandler(logging.NullHandler())


def retry_on(error: Exception) -> bool | float:
    """Whether to repeat a request; a number is the Retry-After of the service, in seconds."""
    if isinstance(error, errors.Busy):
        return True if error.retry_after is None else min(error.retry_after, 30.0)
    return (
        isinstance(error, httpx.TransportError) and not isinstance(error, INVALID_REQUEST) and not is_untrusted(error)
    )


def is_untrusted(error: BaseException | None) -> bool:
    """Whether the certificate is not trusted. A repeat cannot succeed."""
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error is not None


def retries(request: Request, patience: float) -> Any:
    """Returns the attempts at a request."""
    seconds = WAIT_PATIENCE_SECONDS if request.waits else patience
    return stamina.retry_context(on=retry_on, attempts=None if request.safe else 1, timeout=seconds)


def _build_request(
    client: httpx.Client | httpx.AsyncClient, where: Connection, request: Request, body: ResumableBody
) -> httpx.Request:
    return client.build_request(
        request.method,
        f"{where.url}/v1/namespaces/{where.namespace}/{request.path}",
        params=request.query or None,
        headers={"Authorization": f"Bearer {where.token()}", **request.headers, **body.headers()},
        content=request.body,
        timeout=httpx.Timeout(TIMEOUT_SECONDS + request.waits, connect=CONNECT_SECONDS),
    )


def _to_response(response: httpx.Response) -> Response:
    """Converts a response. Raises Problem, NotTheService."""
    if response.status_code >= 400:
        raise errors.problem(response.status_code, response.headers, response.content)
    if response.has_redirect_location:
        raise errors.NotTheService(
            f"{response.url.host} answered with a redirect, as a login page does: check the URL."
        )
    return Response(response.status_code, response.headers, response.content)


def _unreachable(where: Connection, error: Exception) -> errors.Unreachable:
    if is_untrusted(error):
        return errors.Unreachable(f"The certificate of {where.url} is not trusted: set QUANTUMJOB_CA to its authority.")
    if isinstance(error, INVALID_REQUEST):  # its text may contain the token
        return errors.Unreachable(f"The request to {where.url} cannot be sent ({type(error).__name__}).")
    return errors.Unreachable(f"{where.url} does not answer ({type(error).__name__}: {error}).")


def _cause(error: Exception) -> Exception | None:
    return None if isinstance(error, INVALID_REQUEST) else error


class BlockingTransport:
    """Runs calls and blocks. Safe to share between threads."""

    def __init__(
        self,
        where: Connection,
        transport: httpx.BaseTransport | None = None,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self.where = where
        self._patience = patience
        self._http = httpx.Client(verify=_trust(where), transport=transport)
        weakref.finalize(self, self._http.close)

    def run(self, call: Call[T]) -> T:
        """Runs a call and returns its value. Raises QuantumJobError."""
        try:
            request = next(call)
            while True:
                request = call.send(self._send(request))
        except StopIteration as done:
            value: T = done.value
            return value

    def _send(self, request: Request) -> Response:
        body = ResumableBody(resumes=request.resumes)
        while True:
            try:
                for attempt in retries(request, self._patience):
                    with attempt:
                        return self._once(request, body)
            except httpx.TransportError as error:
                if not body.has_progress():
                    raise _unreachable(self.where, error) from _cause(error)

    def _once(self, request: Request, body: ResumableBody) -> Response:
        sent = self._http.send(_build_request(self._http, self.where, request, body), stream=True)
        with contextlib.closing(sent) as response:
            if not body.takes(response.status_code):
                response.read()
                return _to_response(response)
            for chunk in response.iter_bytes():
                body.data += chunk
            return Response(response.status_code, response.headers, bytes(body.data))

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncTransport:
    """Runs calls in an event loop, several at a time."""

    def __init__(
        self,
        where: Connection,
        transport: httpx.AsyncBaseTransport | None = None,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self.where = where
        self._patience = patience
        self._http = httpx.AsyncClient(verify=_trust(where), transport=transport)

    async def run(self, call: Call[T]) -> T:
        """Runs a call and returns its value. Raises QuantumJobError."""
        try:
            request = next(call)
            while True:
                request = call.send(await self._send(request))
        except StopIteration as done:
            value: T = done.value
            return value

    async def _send(self, request: Request) -> Response:
        body = ResumableBody(resumes=request.resumes)
        while True:
            try:
                async for attempt in retries(request, self._patience):
                    with attempt:
                        return await self._once(request, body)
            except httpx.TransportError as error:
                if not body.has_progress():
                    raise _unreachable(self.where, error) from _cause(error)

    async def _once(self, request: Request, body: ResumableBody) -> Response:
        sent = await self._http.send(_build_request(self._http, self.where, request, body), stream=True)
        async with contextlib.aclosing(sent) as response:
            if not body.takes(response.status_code):
                await response.aread()
                return _to_response(response)
            async for chunk in response.aiter_bytes():
                body.data += chunk
            return Response(response.status_code, response.headers, bytes(body.data))

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _trust(where: Connection) -> ssl.SSLContext:
    """Returns the trust of the system and of the given authority. Raises NotConfigured."""
    context = ssl.create_default_context()
    if where.authority:
        try:
            context.load_verify_locations(cadata=where.authority)
        except ssl.SSLError:
            raise errors.NotConfigured(f"{CA} holds no valid certificate: give a file in PEM.") from None
    return context
