"""ASGI middleware around every request: limits the time of its client, counts it and logs it without secrets."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quantumjob_api import metrics
from quantumjob_api.problems import ApiProblem, ApiReason
from quantumjob_api.server import bearer_token
from quantumjob_api.server.connections import ClientConnection, Connections
from quantumjob_api.server.request_body import CLOSE

logger = logging.getLogger(__name__)

BODY_SECONDS: Final = 120.0
"""For a whole body: enough for 32 MiB at 2 Mbit/s."""
SEND_SECONDS: Final = 60.0
"""How long a response may wait for its client in all, plus a second for each SEND_RATE bytes that were sent."""
SEND_RATE: Final = 64 * 1024
PIECE_BYTES: Final = 64 * 1024
"""A response is sent in pieces of this size: the transport copies only what its client has not read yet."""
METHODS: Final = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})
ALWAYS: Final = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


class RequestLimits:
    """The outermost middleware. Marks when a connection waits for its client."""

    def __init__(self, app: ASGIApp, connections: Connections) -> None:
        self._app = app
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        loop = asyncio.get_running_loop()
        found = self._connections.find(tuple(scope["client"] or ()))
        cycle = RequestCycle(found or ClientConnection(lambda: True, lambda: None, loop.time()), receive, send)
        refusal = _refusal(scope)
        app = refusal.response() if refusal else self._app
        started = time.perf_counter()
        try:
            with metrics.ACTIVE.track_inprogress():
                await app(scope, cycle.receive, cycle.send)
        except asyncio.CancelledError:  # the server stops, and its grace period is over
            if cycle.status:
                raise
            again = ApiProblem(ApiReason.BUSY, "The service is restarting: try again.", CLOSE)
            await again.response()(scope, cycle.receive, cycle.send)
        finally:
            cycle.connection.waiting_since = loop.time()
            log(scope, cycle, time.perf_counter() - started)


def _refusal(scope: Scope) -> ApiProblem | None:
    try:
        has_token = bearer_token.in_query(scope["query_string"].decode("latin-1"))
    except ValueError:
        return ApiProblem(ApiReason.INVALID_REQUEST, "The URL has too many parameters: send fewer.")
    if has_token:
        detail = "The URL has a token, which logs keep: send it in the Authorization header, and revoke this one."
        return ApiProblem(ApiReason.TOKEN_IN_QUERY, detail)
    return None


class RequestCycle:
    """A request and its response, with limits on how long the client may take."""

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
            raise ApiProblem(
                ApiReason.SLOW_BODY,
                "The body did not arrive in time: send it faster.",
                CLOSE,
            ) from None
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
            self.connection.close()  # without sending the rest, which the client does not read
        self._waited += loop.time() - began
        self.bytes += len(message.get("body", b""))


def log(scope: Scope, cycle: RequestCycle, seconds: float) -> None:
    """Counts and logs a request, without its query and headers: they may have tokens."""
    route: Any = scope.get("route")
    template = str(getattr(route, "path", "other"))
    method = scope["method"] if scope["method"] in METHODS else "other"
    metrics.REQUESTS.labels(method, template, cycle.status).inc()
    metrics.SECONDS.labels(template).observe(seconds)
    logger.info(
        "request",
        extra={
            "method": method,
            "path": scope["path"][:512],
            "status": cycle.status,
            "bytes": cycle.bytes,
            "seconds": round(seconds, 4),
        },
    )
