"""Connections: bounded in number, in the time and the size of a request's head, before any of our code sees a request.

uvicorn bounds none of these (its limit_concurrency answers 503 to everybody once many connections are open, idle ones
too). Here the connection that has been idle longest makes room for a new one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from quantumjob_api import metrics

HEAD_SECONDS: Final = 10.0
"""From the first byte of a request, or from the connection, to the end of its head; and for a TLS handshake."""
HEAD_BYTES: Final = 64 * 1024
PIPELINED: Final = 8
"""Requests that a client may send before it has its answers."""
ABORT: Final = "quantumjob.abort"
CALL: Final = "call"
"""ASGI extension: ends the connection at once. uvicorn only closes it, which waits for what is still to be sent."""


class Connections:
    """The open connections of a server, those that are idle in the order in which they became so."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._idle: dict[object, Callable[[], object]] = {}
        self._busy: set[object] = set()

    def opened(self, who: object, close: Callable[[], object]) -> bool:
        """Whether there is room, made by closing the one that has been idle longest if need be."""
        if len(self._idle) + len(self._busy) >= self._limit:
            if not self._idle:
                metrics.CLOSED.labels("full").inc()
                return False
            oldest = next(iter(self._idle))
            metrics.CLOSED.labels("idle").inc()
            self._idle.pop(oldest)()
        self.idle(who, close)
        return True

    def idle(self, who: object, close: Callable[[], object]) -> None:
        self._busy.discard(who)
        self._idle.pop(who, None)
        self._idle[who] = close
        self._count()

    def busy(self, who: object) -> None:
        if self._idle.pop(who, None) is not None:
            self._busy.add(who)

    def closed(self, who: object) -> None:
        self._busy.discard(who)
        self._idle.pop(who, None)
        self._count()

    def _count(self) -> None:
        metrics.CONNECTIONS.set(len(self._idle) + len(self._busy))


class Bounded(HttpToolsProtocol):
    """One connection."""

    registry: Connections

    _timer: asyncio.TimerHandle | None = None
    _in_head = True
    _head_bytes = 0
    _raw: asyncio.Transport | None = None
    _cycles: list[RequestResponseCycle]
    """Requests without their answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._raw = transport
        self._cycles = []
        self.registry.idle(self, transport.abort)
        super().connection_made(transport)
        self._arm()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._cut("head")

    def on_message_begin(self) -> None:
        """Of each request, also of one that is sent before the answer to the last."""
        super().on_message_begin()
        self._disarm()
        if not self._is_at_work():  # else nothing more of it is read
            self._arm()
        self._in_head = True
        self._head_bytes = 0
        if self._raw is not None:
            self.scope["extensions"] = {ABORT: {CALL: self._raw.abort}}

    def on_headers_complete(self) -> None:
        self._disarm()
        self._in_head = False
        self.registry.busy(self)
        if len(self.pipeline) >= PIPELINED:
            self._cut("pipeline")
            return
        super().on_headers_complete()
        self._cycles.append(self.cycle)

    def on_response_complete(self) -> None:
        if self._raw is not None and not self._raw.is_closing():
            self.registry.idle(self, self._raw.abort)
        self._cycles = [cycle for cycle in self._cycles if not cycle.response_complete]
        super().on_response_complete()
        if self._is_at_work():  # one that was sent before the answer
            self.registry.busy(self)
        elif self._in_head:
            self._arm()

    def _is_at_work(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self.registry.closed(self)
        super().connection_lost(exc)
        for cycle in self._cycles:  # uvicorn tells the last one only
            cycle.disconnected = True
            cycle.message_event.set()

    def _arm(self) -> None:
        self._timer = self.loop.call_later(HEAD_SECONDS, self._cut, "slow")

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cut(self, cause: str) -> None:
        metrics.CLOSED.labels(cause).inc()
        if self._raw is not None:
            self._raw.abort()


def protocol(registry: Connections) -> type[Bounded]:
    """The class of the connections of a server."""

    class Connection(Bounded):
        pass

    Connection.registry = registry
    return Connection
