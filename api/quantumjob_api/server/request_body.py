"""Bodies of requests, read as they come and bounded: each by its own limit, all together by a budget."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from quantumjob_api.problems import ApiProblem, ProblemReason
from quantumjob_api.server.quota import NamespaceQuota

CLOSE = {"Connection": "close"}
"""The rest of a body that is not wanted is not read either."""
UNAUTHENTICATED_BYTES: Final = 1 << 16
"""Bytes that are read before it is known whose they are."""
LIST_BYTES: Final = 72
ITEM_BYTES: Final = 40
"""A list or a map, and what is in it, once parsed."""
STRING: Final = re.compile(rb'"[^"]*"')
PART_BYTES: Final = 1 << 16


def too_large(limit: int) -> ApiProblem:
    return ApiProblem(ProblemReason.BODY_TOO_LARGE, f"The body may have at most {limit} bytes.", CLOSE)


def is_json(request: Request) -> bool:
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return kind == "application/json"


def content_length(request: Request, limit: int) -> int | None:
    """The body's length as its header has it. Raises Problem where that is too much."""
    text = request.headers.get("Content-Length")
    if text is None or "Transfer-Encoding" in request.headers:
        return None
    length = int(text) if text.isdecimal() and len(text) < 20 else limit + 1
    if length > limit:
        raise too_large(limit)
    return length


class BodyBudget:
    """JSON bodies that may be in memory at a time, over all requests: as text, and as what it is parsed to."""

    def __init__(self, room: NamespaceQuota) -> None:
        self._room = room

    @contextlib.asynccontextmanager
    async def read(self, request: Request, namespace: str, limit: int) -> AsyncIterator[bytes]:
        """The whole body, for as long as the block runs. Raises Problem."""
        content_length(request, limit)
        data = bytearray()
        with contextlib.ExitStack() as held:
            async for chunk in request.stream():
                if len(data) + len(chunk) > limit:
                    raise too_large(limit)
                held.enter_context(self._room.take(namespace, len(chunk), CLOSE))
                data += chunk
            body = bytes(data)
            data.clear()
            held.close()
            held.enter_context(self._room.take(namespace, len(body) + parsed_size(body), CLOSE))
            yield body


def parsed_size(text: bytes) -> int:
    """About what JSON takes when it is parsed, besides its strings. Itself it takes little: it goes by parts."""
    plain = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    found, inside = 0, False
    for start in range(0, len(plain), PART_BYTES):
        part = b'"' * inside + plain[start : start + PART_BYTES]
        inside = part.count(b'"') % 2 == 1
        outside = STRING.sub(b"", part + b'"' * inside)
        found += LIST_BYTES * (outside.count(b"[") + outside.count(b"{")) + ITEM_BYTES * outside.count(b",")
    return found


class HashedBody:
    """A body as it comes, with the sha256 of what has come. Where one reader stops another goes on."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._total = 0
        self._ended = False
        self._digest = hashlib.sha256()

    async def rest(self) -> AsyncIterator[bytes]:
        """What nobody has read yet. Raises Problem, ClientDisconnect."""
        while not self._ended:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            self._ended = not message.get("more_body", False)
            chunk = message.get("body", b"")
            self._total += len(chunk)
            if self._total > self._limit:
                raise too_large(self._limit)
            self._digest.update(chunk)
            if chunk:
                yield chunk

    async def checked(self, expected: str) -> AsyncIterator[bytes]:
        """The rest, its last chunk only once the sha256 of all is known to be `expected` (empty for any).

        Whoever stores them has less than was announced until then, and so nothing. Raises Problem.
        """
        held = b""
        async for chunk in self.rest():
            if held:
                yield held
            held = chunk
        if expected and self.hex() != expected:
            raise ApiProblem(
                ProblemReason.CHECKSUM_MISMATCH, f"The body has sha256 {self.hex()}, the key names another."
            )
        if held:
            yield held

    async def sha256(self, expected: str) -> str:
        """Of the whole, with what nobody has read. Raises Problem."""
        async for _ in self.checked(expected):
            pass
        return self.hex()

    def hex(self) -> str:
        return self._digest.hexdigest()
