"""Liveness and readiness for kubelet, metrics for Prometheus, over HTTP, the same of each part that serves."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

MAX_CONNECTIONS: Final = 256
"""At a time; for one more the oldest is closed, once it has had its moment."""
MOMENT_SECONDS: Final = 0.25
"""Whoever has a right to ask does so in that time; no connection is closed before, and a new one waits: a thousand a
second can come."""
TURN_SECONDS: Final = 0.001
"""After a stall, for what has come meanwhile to be read and answered before anything is closed."""
PAUSE_SECONDS: Final = 0.1
"""At the most between two looks whether there is room, and after an accept that failed for want of descriptors."""


def application(
    registry: CollectorRegistry, why_dead: Callable[[], str], why_unready: Callable[[], str]
) -> web.Application:
    """/healthz and /readyz: 200, or 503 with a sentence; /metrics.

    Each callable gives that sentence, or "" if all is well.
    """

    def answer(why: Callable[[], str]) -> Callable[[web.Request], object]:
        async def handler(_: web.Request) -> web.Response:
            sentence = why()
            return web.Response(text=sentence or "ok", status=503 if sentence else 200)

        return handler

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/healthz", answer(why_dead))  # type: ignore[arg-type]
    app.router.add_get("/readyz", answer(why_unready))  # type: ignore[arg-type]
    app.router.add_get("/metrics", metrics)
    return app


@contextlib.asynccontextmanager
async def served(app: web.Application, listening: socket.socket) -> AsyncIterator[None]:
    """Answers at this socket, which is closed at the end, while the block runs."""
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
            left = since + MOMENT_SECONDS - loop.time()
            await asyncio.sleep(min(max(left, TURN_SECONDS), PAUSE_SECONDS))
            if left <= 0:
                oldest.abort()  # to close it would wait for a client that takes no answer
            continue
        try:
            accepted, _ = await loop.sock_accept(listening)
            transport, _ = await loop.connect_accepted_socket(server, accepted)
            opened[transport] = loop.time()
        except OSError:
            await asyncio.sleep(PAUSE_SECONDS)
