"""Connections over real sockets, plain and with TLS: what a client may take of the service, and what it cannot."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvicorn
import uvloop
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from quantumjob_api import guard, protocol
from quantumjob_api.listener import Listener

ROOM = 4
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Served:
    """A server of one answer, with room for few connections."""

    def __init__(self, context: ssl.SSLContext | None, trusted: ssl.SSLContext | None) -> None:
        self.app: ASGIApp = PlainTextResponse("hello")
        self.asked = 0
        config = uvicorn.Config(self._answer, interface="asgi3", ws="none", log_config=None, lifespan="off")
        self.listener = Listener(config, 0, ROOM, context)
        self.trusted = trusted

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        await self.app(scope, receive, send)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        port = self.listener.socket.getsockname()[1]
        name = "localhost" if self.trusted else None
        return await asyncio.open_connection("127.0.0.1", port, ssl=self.trusted, server_hostname=name)

    async def ask(self) -> bytes:
        reader, writer = await self.connect()
        writer.write(GET)
        answer = await reader.readuntil(b"hello")
        writer.close()
        return answer


LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
Scenario = Callable[[Served], Awaitable[None]]


@pytest.fixture(params=[f"{loop}-{kind}" for loop in LOOPS for kind in ("plain", "tls")])
def run(request: pytest.FixtureRequest, certificate: Path) -> Callable[[Scenario], None]:
    """Runs a scenario against a server."""
    loop, _, kind = request.param.partition("-")
    context = trusted = None
    if kind == "tls":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate / "tls.crt", certificate / "tls.key")
        trusted = ssl.create_default_context(cafile=str(certificate / "tls.crt"))

    async def whole(scenario: Scenario) -> None:
        made = Served(context, trusted)
        serving = asyncio.create_task(made.listener.serve())
        try:
            async with asyncio.timeout(20):
                await scenario(made)
        finally:
            made.listener.server.should_exit = True
            async with asyncio.timeout(20):
                await serving

    def of(scenario: Scenario) -> None:
        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            runner.run(whole(scenario))

    return of


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the server has closed this connection; waits for it."""
    await everything(reader)
    return True


async def everything(reader: asyncio.StreamReader) -> bytes:
    """What comes until the server has closed this connection."""
    found = bytearray()
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            found += data
    return bytes(found)


def test_a_connection_serves_many_requests(run: Callable[[Scenario], None]) -> None:
    async def scenario(served: Served) -> None:
        reader, writer = await served.connect()
        for _ in range(3):
            writer.write(GET)
            assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
        writer.write(GET * 3)
        for _ in range(3):
            await reader.readuntil(b"hello")
        writer.close()

    run(scenario)


def test_idle_connections_make_room(run: Callable[[Scenario], None]) -> None:
    async def scenario(served: Served) -> None:
        held = [await served.connect() for _ in range(ROOM * 3)]
        assert (await served.ask()).startswith(b"HTTP/1.1 200")
        assert await ended(held[0][0])
        for _, writer in held:
            writer.close()

    run(scenario)


def test_whoever_comes_has_a_moment_to_speak(run: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """However many others come before it has: they wait until it, or the moment, is over."""

    async def scenario(served: Served) -> None:
        monkeypatch.setattr(protocol, "MOMENT_SECONDS", 3600)
        coming = [asyncio.create_task(served.connect()) for _ in range(ROOM * 3)]
        for each in coming:
            reader, writer = await each
            writer.write(GET)
            assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
            writer.close()

    run(scenario)


def test_those_who_ask_again_and_again_keep_nobody_out(
    run: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The moment is one's own once, not after each answer."""

    async def again(served: Served) -> None:
        reader, writer = await served.connect()
        try:
            while True:
                writer.write(GET)
                await reader.readuntil(b"hello")
                await asyncio.sleep(0.02)  # much less than the moment
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    async def scenario(served: Served) -> None:
        monkeypatch.setattr(protocol, "MOMENT_SECONDS", 0.2)
        asking = [asyncio.create_task(again(served)) for _ in range(ROOM)]
        while served.asked < 10 * ROOM:
            await asyncio.sleep(0)
        assert (await served.ask()).startswith(b"HTTP/1.1 200")
        for each in asking:
            each.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    run(scenario)


def test_one_that_waits_for_room_does_not_keep_the_service_from_ending(
    run: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made after the others were closed, it would be waited for, as long as the service waits for anything."""
    delays: list[float] = []
    delay = protocol.Connections.delay

    def noted(self: protocol.Connections, now: float) -> float:
        delays.append(delay(self, now))
        return delays[-1]

    async def scenario(served: Served) -> None:
        monkeypatch.setattr(protocol, "MOMENT_SECONDS", 3600)
        monkeypatch.setattr(protocol, "HEAD_SECONDS", 3600)
        monkeypatch.setattr(protocol.Connections, "delay", noted)
        held = [await served.connect() for _ in range(ROOM)]
        port = served.listener.socket.getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)  # without TLS: it would wait for a handshake
        while not any(delays):
            await asyncio.sleep(0)
        served.listener.server.should_exit = True
        assert await ended(reader)
        assert served.listener.server.server_state.connections == set()
        for _, each in [*held, (reader, writer)]:
            each.close()

    run(scenario)


def test_others_have_a_turn_between_two_connections(
    run: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many wait to be accepted, and whoever sees to it that more do."""
    turns, seen = 0, []

    def delay(*_: object) -> float:
        seen.append(turns)
        return 0.0

    async def tick() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def scenario(served: Served) -> None:
        monkeypatch.setattr(protocol.Connections, "delay", delay)
        address = ("127.0.0.1", served.listener.socket.getsockname()[1])
        ticking = asyncio.create_task(tick())
        waiting = [socket.create_connection(address) for _ in range(20)]
        while len(seen) < len(waiting):
            await asyncio.sleep(0)
        ticking.cancel()
        for each in waiting:
            each.close()
        assert len(set(seen)) == len(waiting)

    run(scenario)


def test_connections_that_never_speak_are_closed(
    run: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(served: Served) -> None:
        monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.05)
        reader, writer = await served.connect()
        assert await ended(reader)
        writer.close()
        reader, writer = await served.connect()
        writer.write(GET[:10])
        assert await ended(reader)
        writer.close()

    run(scenario)


def test_a_request_that_outlasts_the_service_is_told_to_come_again() -> None:
    """A long poll, when the pod is replaced."""

    async def endless(_: object, __: object, ___: object) -> None:
        began.set()
        await asyncio.Event().wait()

    async def scenario() -> bytes:
        app = guard.Guard(endless, 1)  # type: ignore[arg-type]
        config = uvicorn.Config(app, ws="none", log_config=None, lifespan="off", timeout_graceful_shutdown=0)
        listener = Listener(config, 0, ROOM, None)
        serving = asyncio.create_task(listener.serve())
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.socket.getsockname()[1])
        writer.write(GET)
        await began.wait()
        listener.server.should_exit = True
        said = await reader.read()
        writer.close()
        await serving
        return said

    began = asyncio.Event()
    said = asyncio.run(scenario())
    assert said.startswith(b"HTTP/1.1 503")
    assert b'"reason":"Busy"' in said


def test_an_answer_that_nobody_takes_ends(run: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """In one piece or in many; and what is still to be sent does not keep the connection."""
    size = 1 << 24

    async def scenario(served: Served) -> None:
        monkeypatch.setattr(guard, "SEND_SECONDS", 0.2)
        monkeypatch.setattr(guard, "SEND_RATE", 1 << 30)
        served.app = guard.Guard(PlainTextResponse(b"x" * size), 1)
        reader, writer = await served.connect()
        writer.write(GET)
        try:
            while served.listener.server.server_state.connections or not served.asked:
                await asyncio.sleep(0)
            assert len(await everything(reader)) < size
        finally:
            writer.transport.abort()

    run(scenario)


def test_of_many_requests_at_once_none_is_left_behind(
    run: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several on one connection, and nobody takes the answers: the service must count none of them for ever."""

    async def scenario(served: Served) -> None:
        monkeypatch.setattr(guard, "SEND_SECONDS", 0.2)
        monkeypatch.setattr(guard, "SEND_RATE", 1 << 30)
        ours = served.app = guard.Guard(PlainTextResponse(b"x" * (1 << 24)), 9)
        _, writer = await served.connect()
        writer.write(GET * 5)
        try:
            while served.listener.server.server_state.connections or not served.asked or ours._active:
                await asyncio.sleep(0)
        finally:
            writer.transport.abort()

    run(scenario)


@pytest.mark.parametrize("more", [GET * 5000, b"GET / HTTP/1.1\r\n" + b"x-a: b\r\n" * 100_000])
def test_requests_behind_one_at_work_are_bounded(run: Callable[[Scenario], None], more: bytes) -> None:
    """In number, and each in its head."""

    told = False

    async def at_work(_: Scope, receive: Receive, __: Send) -> None:
        nonlocal told
        while (await receive())["type"] != "http.disconnect":
            pass
        told = True

    async def scenario(served: Served) -> None:
        served.app = at_work
        reader, writer = await served.connect()
        writer.write(GET)
        while not served.asked:
            await asyncio.sleep(0)
        writer.write(more)
        assert await ended(reader)
        while not told:
            await asyncio.sleep(0)
        writer.close()

    run(scenario)


def test_who_does_not_take_an_answer_makes_room(run: Callable[[Scenario], None]) -> None:
    async def scenario(served: Served) -> None:
        large, small = PlainTextResponse(b"x" * (1 << 24)), PlainTextResponse("hello")

        async def either(scope: Scope, receive: Receive, send: Send) -> None:
            await (large if scope["path"] == "/large" else small)(scope, receive, send)

        ours = served.app = guard.Guard(either, 1)
        reader, writer = await served.connect()
        writer.write(GET.replace(b"/ ", b"/large ", 1))
        while not ours._pieces._waiting:
            await asyncio.sleep(0)
        assert (await served.ask()).startswith(b"HTTP/1.1 200")
        assert await ended(reader)
        writer.close()

    run(scenario)


def test_an_answer_in_pieces_is_whole(run: Callable[[Scenario], None]) -> None:
    size = 1 << 22

    async def scenario(served: Served) -> None:
        served.app = guard.Guard(PlainTextResponse(b"x" * size), 1)
        reader, writer = await served.connect()
        writer.write(GET)
        head = await reader.readuntil(b"\r\n\r\n")
        assert f"content-length: {size}".encode() in head
        assert await reader.readexactly(size) == b"x" * size
        writer.close()

    run(scenario)


def test_a_head_is_bounded(run: Callable[[Scenario], None]) -> None:
    async def scenario(served: Served) -> None:
        reader, writer = await served.connect()
        writer.write(b"GET / HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof() and not writer.is_closing():
                writer.write(b"x-a: " + b"a" * 4096 + b"\r\n")
                await writer.drain()
                await asyncio.sleep(0)
        assert await ended(reader)
        writer.close()

    run(scenario)
