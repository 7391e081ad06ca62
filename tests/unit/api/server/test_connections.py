"""Connections over real sockets, plain and with TLS: what a client may take of the service, and what it cannot."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
import uvicorn
import uvloop
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from quantumjob_api.__main__ import configured
from quantumjob_api.server import connections, middleware
from quantumjob_api.server.connections import Connections
from quantumjob_api.server.middleware import RequestLimits

LIMIT = 4
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = 1 << 24
"""Bytes of an answer that no buffer of the network holds."""


class Server:
    """A server of one answer that accepts few connections."""

    def __init__(self, tls: Tls | None) -> None:
        self.app: ASGIApp = PlainTextResponse("hello")
        self.asked = 0
        self.tls = tls
        self.connections = Connections(LIMIT)
        self.config = configured(RequestLimits(self._answer, self.connections))
        self.config.lifespan = "off"
        self.uvicorn = uvicorn.Server(self.config)
        self.listening = connections.listen(0)
        self.port = self.listening.getsockname()[1]

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        await self.app(scope, receive, send)

    async def serve(self) -> None:
        await connections.serve(self.uvicorn, self.listening, self.connections, self.tls.server if self.tls else None)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context, name = (self.tls.client, "localhost") if self.tls else (None, None)
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=context, server_hostname=name)

    async def get(self) -> None:
        """By a connection that is closed after the answer."""
        reader, writer = await self.connect()
        writer.write(GET)
        assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
        writer.close()

    async def until(self, true: Callable[[], object]) -> None:
        while not true():
            await asyncio.sleep(0)


class Tls(NamedTuple):
    server: ssl.SSLContext
    client: ssl.SSLContext


@pytest.fixture(scope="module")
def tls(certificate: Path) -> Tls:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "tls.crt", certificate / "tls.key")
    return Tls(context, ssl.create_default_context(cafile=str(certificate / "tls.crt")))


Scenario = Callable[[Server], Awaitable[None]]
Run = Callable[[Scenario], None]


def serving(tls: Tls | None, scenario: Scenario) -> None:
    """Runs a scenario against a server, on the event loop of the service."""

    async def whole() -> None:
        server = Server(tls)
        running = asyncio.create_task(server.serve())
        try:
            async with asyncio.timeout(20):
                await scenario(server)
        finally:
            server.uvicorn.should_exit = True
            async with asyncio.timeout(20):
                await running

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(whole())


@pytest.fixture(params=["plain", "tls"])
def run(request: pytest.FixtureRequest, tls: Tls) -> Run:
    return partial(serving, tls if request.param == "tls" else None)


async def rest(reader: asyncio.StreamReader) -> bytes:
    """What comes until the server has closed this connection."""
    found = bytearray()
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            found += data
    return bytes(found)


def test_a_connection_serves_many_requests(run: Run) -> None:
    async def scenario(server: Server) -> None:
        reader, writer = await server.connect()
        for sent in (GET, GET, GET * 3):
            writer.write(sent)
            for _ in range(sent.count(GET)):
                assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
        writer.close()

    run(scenario)


def test_silent_connections_are_closed_for_new_ones(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MIN_SECONDS", 0)

    async def scenario(server: Server) -> None:
        held = [await server.connect() for _ in range(LIMIT * 3)]
        await server.get()
        assert await rest(held[0][0]) == b""
        for _, writer in held:
            writer.close()

    run(scenario)


def test_a_new_connection_has_time_to_send_its_request(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other connections are accepted after it was answered, however many they are."""
    monkeypatch.setattr(connections, "MIN_SECONDS", 3600)

    async def scenario(server: Server) -> None:
        await asyncio.gather(*(server.get() for _ in range(LIMIT * 3)))

    run(scenario)


def test_the_handshake_of_a_silent_client_ends(tls: Tls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HANDSHAKE_SECONDS", 0.01)

    async def scenario(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        assert await rest(reader) == b""
        writer.close()

    serving(tls, scenario)


def test_a_connection_that_waits_for_a_place_does_not_hold_up_the_end(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, looked = Connections.may_accept, []
    monkeypatch.setattr(connections, "MIN_SECONDS", 3600)
    monkeypatch.setattr(Connections, "may_accept", lambda *args: looked.append(made(*args)) or looked[-1])

    async def scenario(server: Server) -> None:
        held = [await server.connect() for _ in range(LIMIT)]
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)  # no handshake: it is not accepted
        await server.until(lambda: False in looked)
        server.uvicorn.should_exit = True
        assert await rest(reader) == b""
        for _, each in [*held, (reader, writer)]:
            each.close()

    run(scenario)


def test_other_tasks_run_between_two_accepts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many connections wait to be accepted."""
    rounds, seen = 0, []
    monkeypatch.setattr(Connections, "may_accept", lambda *_: not seen.append(rounds))

    async def scenario(server: Server) -> None:
        nonlocal rounds
        waiting = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
        while len(seen) < len(waiting):
            rounds += 1
            await asyncio.sleep(0)
        for each in waiting:
            each.close()
        assert len(set(seen)) == len(waiting)

    run(scenario)


def test_a_request_that_the_end_of_the_service_cuts_gets_503() -> None:
    """A long poll, where the pod is replaced."""
    began = asyncio.Event()

    async def endless(_: Scope, __: Receive, ___: Send) -> None:
        began.set()
        await asyncio.Event().wait()

    async def scenario() -> bytes:
        server = Server(None)
        server.app = endless
        server.config.timeout_graceful_shutdown = 0
        serving = asyncio.create_task(server.serve())
        reader, writer = await server.connect()
        writer.write(GET)
        await began.wait()
        server.uvicorn.should_exit = True
        answer = await rest(reader)
        writer.close()
        await serving
        return answer

    answer = asyncio.run(scenario())
    assert answer.startswith(b"HTTP/1.1 503")
    assert b'"reason":"Busy"' in answer


@pytest.mark.parametrize("requests", [1, 5])
def test_an_answer_that_the_client_does_not_take_ends(run: Run, monkeypatch: pytest.MonkeyPatch, requests: int) -> None:
    """What is still to be sent does not keep the connection, nor do the requests that came behind it."""
    monkeypatch.setattr(middleware, "SEND_SECONDS", 0.05)
    monkeypatch.setattr(middleware, "SEND_RATE", 1 << 40)

    async def scenario(server: Server) -> None:
        server.app = PlainTextResponse(b"x" * LARGE)
        reader, writer = await server.connect()
        writer.write(GET * requests)
        await server.until(lambda: server.asked)
        await server.until(lambda: not server.uvicorn.server_state.connections)
        await server.until(lambda: not server.uvicorn.server_state.tasks)
        assert len(await rest(reader)) < LARGE
        writer.transport.abort()

    run(scenario)


def test_a_client_that_does_not_take_its_answer_makes_room(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MIN_SECONDS", 0)
    large, small = PlainTextResponse(b"x" * LARGE), PlainTextResponse("hello")

    async def either(scope: Scope, receive: Receive, send: Send) -> None:
        await (large if scope["path"] == "/large" else small)(scope, receive, send)

    async def scenario(server: Server) -> None:
        server.app = either
        held = [await server.connect() for _ in range(LIMIT)]
        for _, writer in held:
            writer.write(GET.replace(b"/ ", b"/large ", 1))
        await server.until(lambda: server.asked == LIMIT)
        await server.get()
        assert len(await rest(held[0][0])) < LARGE
        for _, writer in held:
            writer.transport.abort()

    run(scenario)


def test_a_client_that_sends_its_body_slowly_makes_room(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MIN_SECONDS", 0)

    async def read(scope: Scope, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] == "http.request" and message["more_body"]:
            pass
        await PlainTextResponse("hello")(scope, receive, send)

    async def scenario(server: Server) -> None:
        server.app = read
        held = [await server.connect() for _ in range(LIMIT)]
        for _, writer in held:
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx")
        await server.until(lambda: server.asked == LIMIT)
        await server.get()
        assert await rest(held[0][0]) == b""
        for _, writer in held:
            writer.close()

    run(scenario)


def test_a_client_that_waits_for_its_answer_is_not_closed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one is accepted once there is an answer."""
    monkeypatch.setattr(connections, "MIN_SECONDS", 0)
    ready = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await ready.wait()
        await PlainTextResponse("hello")(scope, receive, send)

    async def scenario(server: Server) -> None:
        server.app = slow
        first = [asyncio.create_task(server.get()) for _ in range(LIMIT)]
        await server.until(lambda: server.asked == LIMIT)
        last = asyncio.create_task(server.get())
        ready.set()
        await asyncio.gather(*first, last)

    run(scenario)


def test_a_large_answer_is_whole(run: Run) -> None:
    async def scenario(server: Server) -> None:
        server.app = PlainTextResponse(b"x" * LARGE)
        reader, writer = await server.connect()
        writer.write(GET)
        assert f"content-length: {LARGE}".encode() in await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(LARGE) == b"x" * LARGE
        writer.close()

    run(scenario)


def test_a_head_is_bounded(run: Run) -> None:
    async def scenario(server: Server) -> None:
        reader, writer = await server.connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nx-a: " + b"a" * (1 << 20))
        assert b"200" not in await rest(reader)
        assert server.asked == 0
        writer.close()

    run(scenario)
