"""Accepts connections for uvicorn, each only once there is room for it: the buffers of TLS are made after that."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from typing import Final

import uvicorn

from quantumjob_api.protocol import HEAD_SECONDS, Bounded, Connections, protocol

logger = logging.getLogger(__name__)

BACKLOG: Final = 1024
PAUSE_SECONDS: Final = 0.1
"""After an accept that failed: the process has no descriptor left."""


class Listener:
    """A listening socket and the uvicorn server behind it."""

    def __init__(self, config: uvicorn.Config, port: int, max_connections: int, context: ssl.SSLContext | None) -> None:
        self._connections = Connections(max_connections)
        self._protocol = protocol(self._connections)
        config.http = self._protocol
        self.server = uvicorn.Server(config)
        self._config = config
        self._context = context
        self._starting: set[asyncio.Task[None]] = set()
        self.socket = listening(port)
        self.socket.setblocking(False)

    async def serve(self) -> None:
        """Until uvicorn ends, which waits for the requests at work."""
        serving = asyncio.create_task(self.server.serve(sockets=[]))
        accepting = asyncio.create_task(self._accept())
        try:
            await asyncio.wait({serving, accepting}, return_when=asyncio.FIRST_COMPLETED)
            self.server.should_exit = True
            accepting.cancel()
            self.socket.close()
            await serving
        finally:
            for task in (*self._starting, accepting):
                task.cancel()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while not self.server.should_exit:
            if not self.server.started:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            try:
                accepted, _ = await loop.sock_accept(self.socket)
            except OSError as error:
                logger.warning("A connection cannot be accepted", extra={"cause": str(error)})
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            try:
                wanted = await self._room()
            except asyncio.CancelledError:
                accepted.close()
                raise
            if not wanted:
                accepted.close()
                return
            made = self._protocol(
                config=self._config, server_state=self.server.server_state, app_state=self.server.lifespan.state
            )
            starting = loop.create_task(self._start(accepted, made))
            self._starting.add(starting)
            starting.add_done_callback(self._starting.discard)
            self._connections.opened(made, starting.cancel, loop.time())
            # One that waits is accepted at once: without this nobody else would have a turn until none waits.
            await asyncio.sleep(0)

    async def _room(self) -> bool:
        """Until there is room for one more; whoever else comes waits in the socket's backlog.

        False where the service ends: it has closed its connections, and would wait for this one.
        """
        loop = asyncio.get_running_loop()
        while delay := self._connections.delay(loop.time()):
            self._connections.changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._connections.changed.wait(), delay)
        return not self.server.should_exit

    async def _start(self, accepted: socket.socket, made: Bounded) -> None:
        """Hand the connection to its protocol, after the handshake where there is TLS."""
        loop = asyncio.get_running_loop()
        limit = HEAD_SECONDS if self._context else None
        try:
            await loop.connect_accepted_socket(lambda: made, accepted, ssl=self._context, ssl_handshake_timeout=limit)
        except (OSError, TimeoutError):  # ssl.SSLError is an OSError
            self._connections.closed(made)
            accepted.close()
        except asyncio.CancelledError:
            self._connections.closed(made)
            accepted.close()
            raise


def listening(port: int) -> socket.socket:
    """On all addresses, IPv6 too where there is any."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
    return socket.create_server(("", port), backlog=BACKLOG)
