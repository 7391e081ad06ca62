"""Bodies of requests, read as they come and bounded: each by its own limit, all together by a budget."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator

from starlette.requests import Request

from quantumjob_api.problems import Problem, Reason

CLOSE = {"Connection": "close"}
"""The rest of a body that is not wanted is not read either."""


def too_large(limit: int) -> Problem:
    return Problem(Reason.BODY_TOO_LARGE, f"The body may have at most {limit} bytes.", CLOSE)


def is_json(request: Request) -> bool:
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return kind == "application/json"


def declared(request: Request, limit: int) -> int | None:
    """The body's length as its header has it. Raises Problem where that is too much."""
    text = request.headers.get("Content-Length")
    if text is None or "Transfer-Encoding" in request.headers:
        return None
    length = int(text) if text.isdecimal() and len(text) < 20 else limit + 1
    if length > limit:
        raise too_large(limit)
    return length


class Budget:
    """Bytes of bodies that may be in memory at a time, over all requests."""

    def __init__(self, limit: int) -> None:
        self._left = limit

    @contextlib.asynccontextmanager
    async def read(self, request: Request, limit: int) -> AsyncIterator[bytes]:
        """The whole body, for as long as the block runs. Raises Problem."""
        declared(request, limit)
        data = bytearray()
        taken = 0
        try:
            async for chunk in request.stream():
                if taken + len(chunk) > limit:
                    raise too_large(limit)
                if len(chunk) > self._left:
                    raise Problem(Reason.BUSY, "Too much is being uploaded at this moment: try again.", CLOSE)
                self._left -= len(chunk)
                taken += len(chunk)
                data += chunk
            yield bytes(data)
        finally:
            self._left += taken


async def checked(
    chunks: AsyncIterator[bytes], limit: int, digest: hashlib._Hash, expected: str
) -> AsyncIterator[bytes]:
    """The chunks, the last of them only once their sha256 is known to be `expected` (empty for any).

    Whoever stores them has less than was announced until then, and so nothing. Raises Problem.
    """
    held = b""
    total = 0
    async for chunk in chunks:
        total += len(chunk)
        if total > limit:
            raise too_large(limit)
        digest.update(chunk)
        if chunk:
            if held:
                yield held
            held = chunk
    if expected and digest.hexdigest() != expected:
        raise Problem(Reason.CHECKSUM_MISMATCH, f"The body has sha256 {digest.hexdigest()}, the key names another.")
    if held:
        yield held
