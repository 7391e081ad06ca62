"""Accepts a bounded number of connections for uvicorn; over it, closes the one that waits longest for its client.

uvicorn has no such bound: with `limit_concurrency` every client gets 503 once many connections are open, and the
buffers of TLS are allocated for each connection that is accepted. What was measured without this module:
docs/decisions/0018-bounded-connections.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Final

import uvicorn

from quantumjob_api import metrics

logger = logging.getLogger(__name__)

MIN_SECONDS: Final = 0.5
"""A connection is not closed earlier, so that a new client can do its handshake and send a request."""
HANDSHAKE_SECONDS: Final = 10.0
BACKLOG: Final = 1024
PAUSE_SECONDS: Final = 0.05
"""Between two checks for a free place, and after an accept that failed, as without free file descriptors."""

Address = tuple[str, int]
"""A client's host and port, as `client` in the scope of ASGI has them."""


class ClientConnection:
    """An accepted connection. Times are those of the event loop."""

    def __init__(self, is_open: Callable[[], bool], close: Callable[[], object], now: float) -> None:
        self.is_open = is_open
        self.close = close
        self.opened = now
        self.waiting_since: float | None = now
        """Since when the service waits for the client; None while it works on a request."""

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Marks a block that waits for the client."""
        self.waiting_since = asyncio.get_running_loop().time()
        try:
            yield
        finally:
            self.waiting_since = None


class Connections:
    """The open connections of a server, at most `limit`, by their clients' addresses."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: dict[Address, ClientConnection] = {}
        """In the order in which they were accepted; closed ones are removed when their places are needed."""
        self._pruned = -PAUSE_SECONDS
        metrics.CONNECTIONS.set_function(lambda: sum(each.is_open() for each in self._open.values()))

    def may_accept(self, now: float) -> bool:
        """Whether one more may be accepted. At the limit, first closes the one that waits longest for its client."""
        if len(self._open) >= self._limit and now - self._pruned >= PAUSE_SECONDS:
            self._open = {address: each for address, each in self._open.items() if each.is_open()}
            self._pruned = now
        if len(self._open) < self._limit:
            return True
        old = itertools.takewhile(lambda item: now - item[1].opened >= MIN_SECONDS, self._open.items())
        waiting = [(each.waiting_since, address) for address, each in old if each.waiting_since is not None]
        if not waiting:
            return False
        _, longest = min(waiting)
        self._open.pop(longest).close()
        metrics.CLOSED.labels("idle").inc()
        return True

    def add(self, address: Address, connection: ClientConnection) -> None:
        self._open.pop(address, None)  # a closed one of the same address
        self._open[address] = connection

    def find(self, address: Address) -> ClientConnection | None:
        return self._open.get(address)


async def serve(
    server: uvicorn.Server, listening: socket.socket, connections: Connections, context: ssl.SSLContext | None
) -> None:
    """Serves at this socket until the server stops, which waits for its requests."""
    listening.setblocking(False)
    with listening:
        async with asyncio.TaskGroup() as group:
            accepting = group.create_task(_accept(server, listening, connections, context))
            await server.serve(sockets=[])
            accepting.cancel()


async def _accept(
    server: uvicorn.Server, listening: socket.socket, connections: Connections, context: ssl.SSLContext | None
) -> None:
    loop = asyncio.get_running_loop()
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(PAUSE_SECONDS)
    while not server.should_exit:
        try:
            accepted, (host, port, *_) = await loop.sock_accept(listening)
        except OSError as error:
            logger.warning("Accepting a connection failed", extra={"cause": str(error)})
            await asyncio.sleep(PAUSE_SECONDS)
            continue
        with contextlib.ExitStack() as stack:
            stack.enter_context(accepted)
            while not server.should_exit and not connections.may_accept(loop.time()):  # noqa: ASYNC110  # age makes room, too
                await asyncio.sleep(PAUSE_SECONDS)
            if not server.should_exit:
                connections.add((host, port), _open(server, stack.pop_all(), accepted, context))


def _open(
    server: uvicorn.Server, held: contextlib.ExitStack, accepted: socket.socket, context: ssl.SSLContext | None
) -> ClientConnection:
    """Starts the TLS handshake, if any, and hands the connection to uvicorn."""
    loop = asyncio.get_running_loop()
    protocol = server.config.http_protocol_class(  # type: ignore[call-arg]
        config=server.config, server_state=server.server_state, app_state=server.lifespan.state
    )
    made = server.server_state.connections

    async def start() -> None:
        with held, contextlib.suppress(OSError, TimeoutError):  # ssl.SSLError is an OSError
            seconds = HANDSHAKE_SECONDS if context else None
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol, accepted, ssl=context, ssl_handshake_timeout=seconds
            )
            connection.close = transport.abort
            held.pop_all()

    starting = loop.create_task(start())
    connection = ClientConnection(lambda: not starting.done() or protocol in made, starting.cancel, loop.time())
    return connection


def listen(port: int) -> socket.socket:
    """A listening socket on all addresses, with IPv6 if the machine has it."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
    return socket.create_server(("", port), backlog=BACKLOG)
