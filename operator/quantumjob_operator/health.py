"""Liveness and readiness over HTTP, for kubelet."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web


def application(why_dead: Callable[[], str], why_unready: Callable[[], str]) -> web.Application:
    """/healthz and /readyz: 200, or 503 with a sentence. Each callable gives that sentence, or "" if all is well."""

    def answer(why: Callable[[], str]) -> Callable[[web.Request], object]:
        async def handler(_: web.Request) -> web.Response:
            sentence = why()
            return web.Response(text=sentence or "ok", status=503 if sentence else 200)

        return handler

    app = web.Application()
    app.router.add_get("/healthz", answer(why_dead))  # type: ignore[arg-type]
    app.router.add_get("/readyz", answer(why_unready))  # type: ignore[arg-type]
    return app
