"""Responses of the API server that are not JSON, or too large."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from quantumjob_api.kubernetes import client
from quantumjob_api.kubernetes.client import CallerClient
from quantumjob_api.problems import ApiProblem, ApiReason
from support.kube import quantumjob


async def asked(answer: bytes, ask: Any) -> Any:
    """Calls a server that sends this response."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        api = CallerClient(f"http://127.0.0.1:{port}", None)
        try:
            return await ask(api)
        finally:
            await api.close()


async def watched(api: CallerClient) -> list[Any]:
    return [event async for event in api.watch("t", "team", "bell", "1", 5)]


@pytest.mark.parametrize("ask", [lambda api: api.get("t", "team", "bell"), watched])
async def test_a_response_that_is_no_json_is_an_error(ask: Any) -> None:
    with pytest.raises(ApiProblem) as caught:
        await asked(b"<html>a proxy</html>\n", ask)
    assert caught.value.reason is ApiReason.KUBERNETES_UNAVAILABLE


async def test_a_response_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "RESPONSE_BYTES", 1000)
    with pytest.raises(client.ResponseTooLarge):
        await asked(b"{}" + b" " * 1000, lambda api: api.table("t", "team", {}))


async def test_a_waiter_of_a_large_job_costs_more() -> None:
    small, large = quantumjob(), quantumjob()
    large["spec"]["program"]["pubs"][0]["circuit"]["inline"] = "x" * client.WAITER_BYTES * 2
    assert (client.waiter_cost(small), client.waiter_cost(large)) == (1, 3)
    large["spec"]["program"]["pubs"][0]["circuit"]["inline"] *= 9
    assert client.waiter_cost(large) == 4
