"""Around every request: bounded in number and time, counted, and logged without what is secret.

Where there are too many at a time, the one whose client has kept us waiting longest, for a piece of its body or to take
a piece of its answer, makes room for the next: slow clients keep nobody out.
"""

from __future__ import annotations

import asyncio
import logging
import time
from types import TracebackType
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quantumjob_api import metrics, tokens
from quantumjob_api.bodies import CLOSE
from quantumjob_api.problems import Problem, Reason
from quantumjob_api.protocol import ABORT, CALL

logger = logging.getLogger(__name__)

BODY_IDLE_SECONDS: Final = 15.0
"""Between two pieces of a body."""
BODY_SECONDS: Final = 120.0
"""For a whole body: 32 MiB at two megabits a second."""
SEND_SECONDS: Final = 60.0
"""Seconds that a client may make us wait until it takes an answer, and one more for each SEND_RATE bytes."""
SEND_RATE: Final = 64 * 1024
PIECE_BYTES: Final = 64 * 1024
"""An answer is handed on in pieces: what a client does not take is held once, and not again in the connection."""
METHODS: Final = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})
ALWAYS: Final = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


class Guard:
    """ASGI middleware, the outermost."""

    def __init__(self, app: ASGIApp, max_requests: int) -> None:
        self._app = app
        self._max = max_requests
        self._active = 0
        self._pieces = Pieces()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(receive, send, self._pieces)
        refusal = self._refusal(scope)
        app = refusal.response() if refusal else self._app
        self._active += 1
        metrics.ACTIVE.inc()
        started = time.perf_counter()
        try:
            await app(scope, exchange.receive, exchange.send)
        except Exception:
            if not exchange.cut:
                raise
            await self._abort(scope, receive)
        except asyncio.CancelledError:  # the service ends, and has waited long enough for this one
            if exchange.status:
                raise
            again = Problem(Reason.BUSY, "The service is being replaced: try again.", CLOSE)
            await again.response()(scope, exchange.receive, exchange.send)
        finally:
            self._active -= 1
            metrics.ACTIVE.dec()
            tell(scope, exchange, time.perf_counter() - started)

    @staticmethod
    async def _abort(scope: Scope, receive: Receive) -> None:
        """End the connection without waiting for what is still to be sent on it."""
        scope["extensions"][ABORT][CALL]()
        while (await receive())["type"] != "http.disconnect":
            pass

    def _refusal(self, scope: Scope) -> Problem | None:
        try:
            told = tokens.in_query(scope["query_string"].decode("latin-1"))
        except ValueError:
            return Problem(Reason.INVALID_REQUEST, "The URL has too many parameters.")
        if told:
            detail = "A token in the URL ends in logs and histories: send it in the Authorization header, and renew it."
            return Problem(Reason.TOKEN_IN_QUERY, detail)
        if self._active >= self._max and not self._pieces.give_up_one():
            return Problem(Reason.BUSY, "Too many requests at this moment: try again.")
        return None


class Waiting:
    """One of them. Not a generator: each request has several."""

    def __init__(self, time: float, others: dict[asyncio.Timeout, None]) -> None:
        self._limit = asyncio.timeout_at(time)
        self._others = others

    async def __aenter__(self) -> None:
        await self._limit.__aenter__()
        self._others[self._limit] = None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._others.pop(self._limit, None)
        await self._limit.__aexit__(kind, error, trace)


class Pieces:
    """Requests that wait for their client: for a piece of a body, or until it takes one of an answer."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Timeout, None] = {}
        """The one that has waited longest first."""

    def until(self, time: float) -> Waiting:
        """A block that raises TimeoutError then, or when it must make room."""
        return Waiting(time, self._waiting)

    def give_up_one(self) -> bool:
        """The one that has waited longest; False where none waits."""
        for waiting in self._waiting:
            del self._waiting[waiting]
            if not waiting.expired():
                waiting.reschedule(asyncio.get_running_loop().time())
            return True
        return False


class Exchange:
    """One request and its answer, with their times held."""

    def __init__(self, receive: Receive, send: Send, pieces: Pieces) -> None:
        self._receive = receive
        self._send = send
        self._pieces = pieces
        self._complete = False
        self._until = asyncio.get_running_loop().time() + BODY_SECONDS
        self.status = 0
        self.bytes = 0
        self.cut = False
        """The client did not take its answer in time."""
        self._waited = 0.0

    async def receive(self) -> Message:
        if self._complete:
            return await self._receive()
        now = asyncio.get_running_loop().time()
        try:
            async with self._pieces.until(min(now + BODY_IDLE_SECONDS, self._until)):
                message = await self._receive()
        except TimeoutError:
            self._complete = True
            raise Problem(Reason.SLOW_BODY, "The body came too slowly.", CLOSE) from None
        self._complete = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message.get("headers", ()), *ALWAYS]}
        body = memoryview(message.get("body", b""))
        for start in range(0, len(body) - PIECE_BYTES, PIECE_BYTES):
            piece = bytes(body[start : start + PIECE_BYTES])
            await self._hand_on({**message, "body": piece, "more_body": True})
        if len(body) > PIECE_BYTES:
            message = {**message, "body": bytes(body[(len(body) - 1) // PIECE_BYTES * PIECE_BYTES :])}
        await self._hand_on(message)

    async def _hand_on(self, message: Message) -> None:
        began = asyncio.get_running_loop().time()
        try:
            async with self._pieces.until(began + SEND_SECONDS + self.bytes / SEND_RATE - self._waited):
                await self._send(message)
        except TimeoutError:
            self.cut = True
            raise
        self._waited += asyncio.get_running_loop().time() - began
        self.bytes += len(message.get("body", b""))


def tell(scope: Scope, exchange: Exchange, seconds: float) -> None:
    """The line in the access log: neither query nor headers, where tokens may be."""
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
