"""Sends objects of the store: whole, by range, or as a redirect to the store."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import AsyncIterator
from typing import Final

from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from quantumjob_api.problems import ApiProblem, ApiReason
from quantumjob_contract.store.aio import AsyncBucket

ONE_RANGE: Final = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
REDIRECT_SECONDS: Final = 300
BINARY: Final = "application/octet-stream"


class ReleasingStream(StreamingResponse):
    """A stream that closes its source when the response ends, also by an error."""

    def __init__(self, *args: object, source: contextlib.AsyncExitStack, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._source:
            await super().__call__(scope, receive, send)


def one_range(header: str | None) -> str | None:
    """The header if it has one valid range, else None."""
    found = ONE_RANGE.fullmatch(header.replace(" ", "")) if header else None
    if not found or not (found[1] or found[2]) or (found[1] and found[2] and int(found[2]) < int(found[1])):
        return None
    return found[0]


def redirect_response(bucket: AsyncBucket, key: str) -> Response:
    return RedirectResponse(bucket.presign("GET", key, REDIRECT_SECONDS), 307)


async def stored_response(
    bucket: AsyncBucket, key: str, byte_range: str | None, sha256: str = "", media: str = BINARY
) -> Response:
    """The response with an object. One with another sha256 is cut before its end. Raises ApiProblem, StoreError."""
    async with contextlib.AsyncExitStack() as stack:
        content = await stack.enter_async_context(bucket.open(key, one_range(byte_range)))
        if content.status == 416:
            raise not_satisfiable(content.content_range)
        headers = {"Accept-Ranges": "bytes", "Content-Length": str(content.length)}
        if content.content_range:
            headers["Content-Range"] = content.content_range
        whole = content.status == 200 and bool(sha256)
        chunks = verified(content.chunks, sha256) if whole else content.chunks
        return ReleasingStream(chunks, content.status, headers, media, source=stack.pop_all())
    raise AssertionError  # for mypy: the stack suppresses no exception


async def verified(chunks: AsyncIterator[bytes], sha256: str) -> AsyncIterator[bytes]:
    """The chunks, the last one only if the sha256 is right. Raises ApiProblem, which cuts the response."""
    digest, held = hashlib.sha256(), b""
    async for chunk in chunks:
        digest.update(chunk)
        if held:
            yield held
        held = chunk
    if digest.hexdigest() != sha256:
        raise ApiProblem(ApiReason.NOT_VERIFIED, "The object differs from the one that its worker wrote.")
    yield held


def bytes_response(data: bytes, byte_range: str | None, media: str = BINARY) -> Response:
    """The response with these bytes. Raises ApiProblem (RangeNotSatisfiable)."""
    found = ONE_RANGE.fullmatch(one_range(byte_range) or "")
    headers = {"Accept-Ranges": "bytes"}
    if found is None:
        return Response(data, 200, headers, media)
    size = len(data)
    start = int(found[1]) if found[1] else max(0, size - int(found[2]))
    end = min(size - 1, int(found[2])) if found[1] and found[2] else size - 1
    if start > end:
        raise not_satisfiable(f"bytes */{size}")
    headers["Content-Range"] = f"bytes {start}-{end}/{size}"
    return Response(data[start : end + 1], 206, headers, media)


def not_satisfiable(content_range: str | None) -> ApiProblem:
    headers = {"Content-Range": content_range} if content_range else {}
    return ApiProblem(ApiReason.RANGE_NOT_SATISFIABLE, "The range is beyond the end of the object.", headers)
