"""Limits and checksums of request bodies."""

from __future__ import annotations

import hashlib
import tracemalloc
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from quantumjob_api.problems import ApiProblem, ApiReason
from quantumjob_api.server import request_body

JSON = dict[str, Any]


def body(limit: int, *chunks: bytes) -> request_body.HashedBody:
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages[-1]["more_body"] = False
    coming = iter(messages)

    async def receive() -> JSON:
        return next(coming)

    return request_body.HashedBody(receive, limit)


async def test_the_last_chunk_comes_after_the_sha256_is_compared() -> None:
    right = hashlib.sha256(b"abcdef").hexdigest()
    assert [c async for c in body(6, b"abc", b"", b"def", b"").checked(right)] == [b"abc", b"def"]
    got = []
    with pytest.raises(ApiProblem) as caught:
        async for chunk in body(6, b"abc", b"deX").checked(right):
            got.append(chunk)
    assert (caught.value.reason, got) == (ApiReason.CHECKSUM_MISMATCH, [b"abc"])
    with pytest.raises(ApiProblem) as caught:
        await body(6, b"abc", b"defg").sha256("")
    assert caught.value.status == 413


@pytest.mark.parametrize("read", range(4))
async def test_a_second_reader_continues_where_the_first_one_stopped(read: int) -> None:
    """The sha256 is that of the whole body."""
    given = body(9, b"abc", b"def", b"ghi")
    reading = given.checked("")
    for _ in range(read):
        await anext(reading)
    assert await given.sha256("") == hashlib.sha256(b"abcdefghi").hexdigest()


async def test_a_client_that_disconnects_has_sent_no_body() -> None:
    async def receive() -> JSON:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientDisconnect):
        await request_body.HashedBody(receive, 9).sha256("")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", 0),
        (b'"[[[[,,,,"', 0),
        (rb'{"a\"[,": [1, 2, "\\"], "b": {}}', 3 * request_body.CONTAINER_BYTES + 3 * request_body.ITEM_BYTES),
        (b"[" * 1000, 1000 * request_body.CONTAINER_BYTES),
    ],
)
def test_estimated_size_of_parsed_json(text: bytes, expected: int) -> None:
    assert request_body.parsed_size(text) == expected


@pytest.mark.parametrize("text", [b'"' + b"x" * (1 << 20) + b'"', b'"' + rb"\"" * (1 << 19) + b'"', b'"",' * (1 << 18)])
def test_the_estimate_needs_little_memory(text: bytes) -> None:
    tracemalloc.start()
    try:
        request_body.parsed_size(text)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
