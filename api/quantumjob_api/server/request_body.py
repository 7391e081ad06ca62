"""Reads request bodies within limits: one of each body, and a quota of all."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from quantumjob_api.problems import ApiProblem, ApiReason
from quantumjob_api.server.quota import NamespaceQuota

CLOSE = {"Connection": "close"}
"""For a response that does not read the rest of the request's body."""
UNAUTHENTICATED_BYTES: Final = 1 << 16
"""A body up to this size is read before the caller's rights are known: to ask first costs a request."""
CONTAINER_BYTES: Final = 72
ITEM_BYTES: Final = 40
"""Of a parsed list or dict, and of each item in it."""
STRING: Final = re.compile(rb'"[^"]*"')
PART_BYTES: Final = 1 << 16


def too_large(limit: int) -> ApiProblem:
    return ApiProblem(ApiReason.BODY_TOO_LARGE, f"The body has more than {limit} bytes: send less.", CLOSE)


def is_json(request: Request) -> bool:
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return kind == "application/json"


def content_length(request: Request, limit: int) -> int | None:
    """The declared length in bytes, None if there is none. Raises ApiProblem (BodyTooLarge) above `limit`."""
    text = request.headers.get("Content-Length")
    if text is None or "Transfer-Encoding" in request.headers:
        return None
    length = int(text) if text.isdecimal() and len(text) < 20 else limit + 1
    if length > limit:
        raise too_large(limit)
    return length


class BodyBudget:
    """Limits the memory of all JSON bodies, as text and parsed."""

    def __init__(self, quota: NamespaceQuota) -> None:
        self._quota = quota

    @contextlib.asynccontextmanager
    async def read(self, request: Request, namespace: str, limit: int) -> AsyncIterator[bytes]:
        """The whole body, counted while the block runs. Raises ApiProblem (BodyTooLarge, SlowBody, Busy)."""
        content_length(request, limit)
        data = bytearray()
        with contextlib.ExitStack() as held:
            async for chunk in request.stream():
                if len(data) + len(chunk) > limit:
                    raise too_large(limit)
                held.enter_context(self._quota.take(namespace, len(chunk), CLOSE))
                data += chunk
            body = bytes(data)
            data.clear()
            held.close()
            held.enter_context(self._quota.take(namespace, len(body) + parsed_size(body), CLOSE))
            yield body


def parsed_size(text: bytes) -> int:
    """Estimated bytes of parsed JSON, without its strings. Counts in parts, to need little memory itself."""
    plain = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    found, inside = 0, False
    for start in range(0, len(plain), PART_BYTES):
        part = b'"' * inside + plain[start : start + PART_BYTES]
        inside = part.count(b'"') % 2 == 1
        outside = STRING.sub(b"", part + b'"' * inside)
        found += CONTAINER_BYTES * (outside.count(b"[") + outside.count(b"{")) + ITEM_BYTES * outside.count(b",")
    return found


class HashedBody:
    """A streamed body with its sha256. A second reader continues where the first one stopped."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._total = 0
        self._ended = False
        self._digest = hashlib.sha256()

    async def rest(self) -> AsyncIterator[bytes]:
        """The chunks that were not read yet. Raises ApiProblem (BodyTooLarge, SlowBody), ClientDisconnect."""
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
        """The rest; the last chunk only after the sha256 of the body was compared with `expected`, if not empty.

        A store that gets these chunks has fewer bytes than declared until then, and stores nothing.
        Raises ApiProblem (ChecksumMismatch).
        """
        held = b""
        async for chunk in self.rest():
            if held:
                yield held
            held = chunk
        if expected and self.hex() != expected:
            raise ApiProblem(
                ApiReason.CHECKSUM_MISMATCH,
                f"The body has sha256 {self.hex()}: the key has another.",
            )
        if held:
            yield held

    async def sha256(self, expected: str) -> str:
        """The sha256 of the whole body, after reading the rest. Raises ApiProblem (ChecksumMismatch)."""
        async for _ in self.checked(expected):
            pass
        return self.hex()

    def hex(self) -> str:
        return self._digest.hexdigest()
