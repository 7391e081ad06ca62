"""Health answers over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from quantumjob_contract import health


async def test_silent_connections_keep_no_probe_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "MAX_CONNECTIONS", 4)
    app = health.application(CollectorRegistry(), lambda: "", lambda: "no store")
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    async with health.served(app, listening), aiohttp.ClientSession(f"http://127.0.0.1:{port}") as asking:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
        for path, status, text in (("/healthz", 200, "ok"), ("/readyz", 503, "no store")):
            async with asking.get(path) as answer:
                assert (answer.status, await answer.text()) == (status, text)
        with contextlib.suppress(ConnectionError):
            assert await silent[0][0].read() == b""
        for _, writer in silent:
            writer.close()
