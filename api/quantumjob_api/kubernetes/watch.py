"""Waiting for a job by a watch of the API server's, with the caller's token: no poll interval in between."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from typing import Any, Final, TypeVar

from starlette.requests import Request

from quantumjob_api.kubernetes.client import CallerClient, without_program
from quantumjob_api.problems import of_kubernetes

JSON = dict[str, Any]
T = TypeVar("T")

ROUND_SECONDS: Final = 55.0
"""One watch; then the token is asked for again, so that an expired one ends the stream."""
PAUSE_SECONDS: Final = 1.0
"""After a watch that ended before its time."""


class ClientDisconnected(Exception):
    """Nobody waits for the answer any more."""


async def states(
    kube: CallerClient, token: str, namespace: str, name: str, job: JSON, seconds: float
) -> AsyncGenerator[JSON, None]:
    """A job and every newer state of it, light, until the time is over. Raises Problem, also when it is deleted."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    yield job
    while (left := until - loop.time()) > 0:
        version, began = job["metadata"]["resourceVersion"], loop.time()
        lasts = min(left, ROUND_SECONDS)
        async with contextlib.aclosing(kube.changes(token, namespace, name, version, lasts)) as changes:
            async for change in changes:
                if change["type"] == "DELETED":
                    raise of_kubernetes(404, "")
                job = change["object"]
                yield job
        if loop.time() - began < lasts - PAUSE_SECONDS:
            await asyncio.sleep(PAUSE_SECONDS)
        known, job = job["metadata"]["resourceVersion"], without_program(await kube.get(token, namespace, name))
        if job["metadata"]["resourceVersion"] != known:
            yield job


async def until(wanted: Callable[[JSON], bool], found: AsyncIterator[JSON], seconds: float) -> JSON:
    """The first state that is wanted, or the last one when the time is over."""
    last: JSON = {}
    try:
        async with asyncio.timeout(seconds):
            async for last in found:
                if wanted(last):
                    break
    except TimeoutError:
        if not last:
            raise
    return last


async def until_disconnected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The work's result. Raises ClientGone, with the work cancelled, when the client has hung up."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_hung_up(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnected
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
