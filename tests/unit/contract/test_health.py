"""Health answers over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from quantumjob_contract.serving import health


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


async def test_whoever_comes_has_a_moment_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many others come before it has: they wait until it, or the moment, is over."""
    monkeypatch.setattr(health, "MAX_CONNECTIONS", 4)
    monkeypatch.setattr(health, "MIN_OPEN_SECONDS", 3600)
    app = health.application(CollectorRegistry(), lambda: "", lambda: "")
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    async with health.served(app, listening), asyncio.timeout(20):
        slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(12)]
        for reader, writer in slow:
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
            writer.close()


def descriptors() -> int:
    """Of this process, open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_who_takes_no_answer_keeps_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "MAX_CONNECTIONS", 1)
    monkeypatch.setattr(health, "MIN_OPEN_SECONDS", 0.1)
    app = health.application(CollectorRegistry(), lambda: "", lambda: "x" * (1 << 20))
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    ask = b"GET /%s HTTP/1.1\r\nHost: x\r\n%s\r\n"
    async with health.served(app, listening), asyncio.timeout(20):
        before = descriptors()
        _, deaf = await asyncio.open_connection("127.0.0.1", port)
        deaf.transport.pause_reading()  # type: ignore[attr-defined]
        deaf.write(ask % (b"readyz", b"") * 50)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(ask % (b"healthz", b"Connection: close\r\n"))
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()
        while descriptors() > before + 1:  # the client's own end
            await asyncio.sleep(0)
        deaf.transport.abort()
