"""Ranges and checksums of objects."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from quantumjob_api.problems import ApiProblem, ApiReason
from quantumjob_api.store import objects


@pytest.mark.parametrize(
    ("header", "answer"),
    [
        (None, (200, b"0123456789", None)),
        ("bytes=0-3", (206, b"0123", "bytes 0-3/10")),
        ("bytes=4-", (206, b"456789", "bytes 4-9/10")),
        ("bytes=-3", (206, b"789", "bytes 7-9/10")),
        ("bytes=-99", (206, b"0123456789", "bytes 0-9/10")),
        ("bytes=8-99", (206, b"89", "bytes 8-9/10")),
        ("bytes=3-1", (200, b"0123456789", None)),
        ("bytes=-", (200, b"0123456789", None)),
        ("bytes=0-1,3-4", (200, b"0123456789", None)),
        ("items=0-1", (200, b"0123456789", None)),
        ("bytes=" + "9" * 99 + "-", (200, b"0123456789", None)),
    ],
)
def test_ranges(header: str | None, answer: tuple[int, bytes, str | None]) -> None:
    found = objects.bytes_response(b"0123456789", header)
    assert (found.status_code, found.body, found.headers.get("Content-Range")) == answer


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=-0", "bytes=99-100"])
def test_a_range_beyond_the_end(header: str) -> None:
    with pytest.raises(ApiProblem) as caught:
        objects.bytes_response(b"0123456789", header)
    assert caught.value.status == 416
    assert caught.value.headers == {"Content-Range": "bytes */10"}


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def test_the_last_chunk_of_an_object_with_another_sha256_is_not_sent() -> None:
    got = []
    with pytest.raises(ApiProblem) as caught:
        async for chunk in objects.verified(pieces(b"abc", b"def"), "0" * 64):
            got.append(chunk)
    assert (caught.value.reason, got) == (ApiReason.NOT_VERIFIED, [b"abc"])
