"""ASGI middleware around every request: times of its client, metrics and a line of log without secrets."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quantumjob_api import metrics
from quantumjob_api.problems import ApiProblem, ProblemReason
from quantumjob_api.server import bearer_token
from quantumjob_api.server.connections import ClientConnection, Connections
from quantumjob_api.server.request_body import CLOSE

logger = logging.getLogger(__name__)

BODY_SECONDS: Final = 120.0
"""For a whole body: 32 MiB at two megabits a second."""
SEND_SECONDS: Final = 60.0
"""For which an answer may wait for its client in all, and one more for each SEND_RATE bytes that are sent."""
SEND_RATE: Final = 64 * 1024
PIECE_BYTES: Final = 64 * 1024
"""An answer is sent in pieces, so that the connection does not copy all that its client has not taken yet."""
METHODS: Final = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})
ALWAYS: Final = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


class RequestLimits:
    """The outermost middleware."""

    def __init__(self, app: ASGIApp, connections: Connections) -> None:
        self._app = app
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        loop = asyncio.get_running_loop()
        found = self._connections.find(tuple(scope["client"] or ()))
        exchange = Exchange(found or ClientConnection(lambda: True, lambda: None, loop.time()), receive, send)
        refusal = _refusal(scope)
        app = refusal.response() if refusal else self._app
        started = time.perf_counter()
        try:
            with metrics.ACTIVE.track_inprogress():
                await app(scope, exchange.receive, exchange.send)
        except asyncio.CancelledError:  # the service ends, and has waited long enough for this request
            if exchange.status:
                raise
            again = ApiProblem(ProblemReason.BUSY, "The service is being replaced: try again.", CLOSE)
            await again.response()(scope, exchange.receive, exchange.send)
        finally:
            exchange.connection.waiting_since = loop.time()
            log(scope, exchange, time.perf_counter() - started)


def _refusal(scope: Scope) -> ApiProblem | None:
    try:
        has_token = bearer_token.in_query(scope["query_string"].decode("latin-1"))
    except ValueError:
        return ApiProblem(ProblemReason.INVALID_REQUEST, "The URL has too many parameters.")
    if has_token:
        detail = "A token in the URL ends in logs and histories: send it in the Authorization header, and renew it."
        return ApiProblem(ProblemReason.TOKEN_IN_QUERY, detail)
    return None


class Exchange:
    """A request and its answer, with limits on how long its client may take."""

    def __init__(self, connection: ClientConnection, receive: Receive, send: Send) -> None:
        self.connection = connection
        self.status = 0
        self.bytes = 0
        self._receive = receive
        self._send = send
        self._body_until = asyncio.get_running_loop().time() + BODY_SECONDS
        self._body_complete = False
        self._waited = 0.0
        connection.waiting_since = None

    async def receive(self) -> Message:
        if self._body_complete:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._body_until):
                with self.connection.waiting():
                    message = await self._receive()
        except TimeoutError:
            self._body_complete = True
            raise ApiProblem(ProblemReason.SLOW_BODY, "The body came too slowly.", CLOSE) from None
        self._body_complete = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            await self._send_piece({**message, "headers": [*message.get("headers", ()), *ALWAYS]})
            return
        body = memoryview(message.get("body", b""))
        while len(body) > PIECE_BYTES:
            await self._send_piece({**message, "body": bytes(body[:PIECE_BYTES]), "more_body": True})
            body = body[PIECE_BYTES:]
        await self._send_piece({**message, "body": bytes(body)})

    async def _send_piece(self, message: Message) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(SEND_SECONDS + self.bytes / SEND_RATE - self._waited):
                with self.connection.waiting():
                    await self._send(message)
        except TimeoutError:
            self.connection.close()  # what the client has not taken is given up; the server sends nothing more
        self._waited += loop.time() - began
        self.bytes += len(message.get("body", b""))


def log(scope: Scope, exchange: Exchange, seconds: float) -> None:
    """Counts the request, and logs it without its query and headers, where tokens may be."""
    route: Any = scope.get("route")
    template = str(getattr(route, "path", "other"))
    method = scope["method"] if scope["method"] in METHODS else "other"
    metrics.REQUESTS.labels(method, template, exchange.status).inc()
    metrics.SECONDS.labels(template).observe(seconds)
    logger.info(
        "request",
        extra={
            "method": method,
            "path": scope["path"][:512],
            "status": exchange.status,
            "bytes": exchange.bytes,
            "seconds": round(seconds, 4),
        },
    )
