"""Liveness and readiness for kubelet, metrics for Prometheus, over HTTP, the same of each part that serves."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest


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
