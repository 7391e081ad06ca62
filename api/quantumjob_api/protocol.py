"""Connections: bounded in number, in the time and the size of a request's head, before any of our code sees a request.

uvicorn bounds none of these (its limit_concurrency answers 503 to everybody once many connections are open, idle ones
too). Here the connection that has been idle longest makes room for a new one, once it has had its moment to speak; a
new one waits for that to be accepted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from quantumjob_api import metrics

HEAD_SECONDS: Final = 10.0
"""From the first byte of a request, or from the connection, to the end of its head; and for a TLS handshake."""
MOMENT_SECONDS: Final = 0.5
"""Of each connection from its beginning, however many others want its place: its time to speak. A thousand that say
nothing can come in a second."""
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
        self._idle: dict[object, tuple[float, Callable[[], object]]] = {}
        """When each began, and what closes it; the one that has been idle longest first."""
        self._busy: set[object] = set()
        self.changed = asyncio.Event()
        """One has become idle, or has left."""

    def delay(self, now: float) -> float:
        """Seconds for which there is no room for one more, if nobody leaves. Times are those of the event loop."""
        if len(self._idle) + len(self._busy) < self._limit:
            return 0.0
        begun, _ = next(iter(self._idle.values()), (now, None))
        return max(0.0, begun + MOMENT_SECONDS - now)

    def opened(self, who: object, close: Callable[[], object], begun: float) -> None:
        """After a delay of 0. The one that has been idle longest is closed if need be."""
        if len(self._idle) + len(self._busy) >= self._limit:
            metrics.CLOSED.labels("idle").inc()
            _, close_oldest = self._idle.pop(next(iter(self._idle)))
            close_oldest()
        self.idle(who, close, begun)

    def idle(self, who: object, close: Callable[[], object], begun: float) -> None:
        self._busy.discard(who)
        self._idle.pop(who, None)
        self._idle[who] = (begun, close)
        self._count()

    def busy(self, who: object) -> None:
        if self._idle.pop(who, None) is not None:
            self._busy.add(who)

    def closed(self, who: object) -> None:
        self._busy.discard(who)
        self._idle.pop(who, None)
        self._count()

    def _count(self) -> None:
        self.changed.set()
        metrics.CONNECTIONS.set(len(self._idle) + len(self._busy))


class Bounded(HttpToolsProtocol):
    """One connection."""

    registry: Connections

    _timer: asyncio.TimerHandle | None = None
    _in_head = True
    _head_bytes = 0
    _raw: asyncio.Transport | None = None
    _begun = 0.0
    _cycles: list[RequestResponseCycle]
    """Requests without their answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._raw = transport
        self._cycles = []
        self._begun = self.loop.time()
        self.registry.idle(self, transport.abort, self._begun)
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
            self.registry.idle(self, self._raw.abort, self._begun)
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
