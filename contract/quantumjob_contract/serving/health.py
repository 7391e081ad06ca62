"""Serves the probes of kubelet and the metrics for Prometheus over HTTP, the same in each process that serves.

The port has no authentication, so its connections are limited: at the limit the oldest is closed for a new one.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

MAX_CONNECTIONS: Final = 256
"""Open connections. For one more the oldest is closed, once it has been open for MIN_OPEN_SECONDS."""
MIN_OPEN_SECONDS: Final = 0.25
"""A probe or a scrape is answered in this time. No connection is closed earlier; new ones wait in the backlog: at most
a thousand a second are accepted."""
YIELD_SECONDS: Final = 0.001
"""After a stall of the loop, lets it answer what has arrived before a connection is closed."""
PAUSE_SECONDS: Final = 0.1
"""Longest sleep before the limit is checked again, and after an accept that failed, for example without descriptors."""


def application(
    registry: CollectorRegistry, why_dead: Callable[[], str], why_unready: Callable[[], str]
) -> web.Application:
    """Returns an application with /healthz and /readyz, which answer 200, or 503 and why; and /metrics.

    Each callable returns the reason, or "" when all is well.
    """

    def probe(why: Callable[[], str]) -> Callable[[web.Request], object]:
        async def handler(_: web.Request) -> web.Response:
            reason = why()
            return web.Response(text=reason or "ok", status=503 if reason else 200)

        return handler

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/healthz", probe(why_dead))  # type: ignore[arg-type]
    app.router.add_get("/readyz", probe(why_unready))  # type: ignore[arg-type]
    app.router.add_get("/metrics", metrics)
    return app


@contextlib.asynccontextmanager
async def served(app: web.Application, listening: socket.socket) -> AsyncIterator[None]:
    """Serves the application on this socket while the block runs, then closes the socket."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    listening.setblocking(False)
    accepting = asyncio.create_task(_accept(runner, listening))
    try:
        yield
    finally:
        accepting.cancel()
        listening.close()
        await runner.cleanup()


async def _accept(runner: web.AppRunner, listening: socket.socket) -> None:
    loop, server = asyncio.get_running_loop(), runner.server
    assert server is not None  # noqa: S101  # it is set up
    opened: dict[asyncio.Transport, float] = {}
    while True:
        opened = {each: since for each, since in opened.items() if not each.is_closing()}
        if len(opened) >= MAX_CONNECTIONS:
            oldest, since = next(iter(opened.items()))
            left = since + MIN_OPEN_SECONDS - loop.time()
            await asyncio.sleep(min(max(left, YIELD_SECONDS), PAUSE_SECONDS))
            if left <= 0:
                oldest.abort()  # close() would wait for a client that does not read
            continue
        try:
            accepted, _ = await loop.sock_accept(listening)
            transport, _ = await loop.connect_accepted_socket(server, accepted)
            opened[transport] = loop.time()
        except OSError:
            await asyncio.sleep(PAUSE_SECONDS)
