"""Objects of the store as answers: whole or by range, or where they can be fetched."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import Header, Query
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from quantumjob_api.problems import ApiProblem, ProblemReason
from quantumjob_contract.store.aio import AsyncBucket

ONE_RANGE: Final = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
REDIRECT_SECONDS: Final = 300
BINARY: Final = "application/octet-stream"

Range = Annotated[
    str | None,
    Header(alias="Range", description="One range of bytes, as `bytes=0-1023`; any other is ignored.", max_length=64),
]
Redirect = Annotated[
    bool,
    Query(
        description="Answer with 307 to a URL of the store's that is valid for five minutes. It has the store's name "
        "as this service knows it, which may mean nothing outside the cluster."
    ),
]


class ReleasingStream(StreamingResponse):
    """A stream whose source is let go when the answer ends, however it ends."""

    def __init__(self, *args: object, source: contextlib.AsyncExitStack, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._source:
            await super().__call__(scope, receive, send)


def one_range(header: str | None) -> str | None:
    """The header, if it is one that is obeyed."""
    found = ONE_RANGE.fullmatch(header.replace(" ", "")) if header else None
    if not found or not (found[1] or found[2]) or (found[1] and found[2] and int(found[2]) < int(found[1])):
        return None
    return found[0]


def redirect(bucket: AsyncBucket, key: str) -> Response:
    return RedirectResponse(bucket.presign("GET", key, REDIRECT_SECONDS), 307)


async def stored(
    bucket: AsyncBucket, key: str, byte_range: str | None, sha256: str = "", media: str = BINARY
) -> Response:
    """An object's bytes; a whole one of another sha256 never ends. Raises Problem and the errors of `transfer`."""
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
    raise AssertionError  # the stack swallows nothing


async def verified(chunks: AsyncIterator[bytes], sha256: str) -> AsyncIterator[bytes]:
    """The chunks, the last of them only if all of them have this sha256. Raises Problem, which cuts the answer off."""
    digest, held = hashlib.sha256(), b""
    async for chunk in chunks:
        digest.update(chunk)
        if held:
            yield held
        held = chunk
    if digest.hexdigest() != sha256:
        raise ApiProblem(ProblemReason.NOT_VERIFIED, "The object is not what its worker wrote.")
    yield held


def in_memory(data: bytes, byte_range: str | None, media: str = BINARY) -> Response:
    """Bytes that are here already. Raises Problem."""
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
    return ApiProblem(ProblemReason.RANGE_NOT_SATISFIABLE, "The object has no such bytes.", headers)
