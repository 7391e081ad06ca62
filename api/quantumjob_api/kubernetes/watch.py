"""Waits for a job by a watch with the caller's token, without polling."""

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

WATCH_SECONDS: Final = 55.0
"""Of one watch. The next one validates the token again, so that an expired token ends the stream."""
PAUSE_SECONDS: Final = 1.0
"""Before the next watch, if one ended early."""


class ClientDisconnected(Exception):
    """The client closed the connection before the response."""


async def states(
    kube: CallerClient, token: str, namespace: str, name: str, job: JSON, seconds: float
) -> AsyncGenerator[JSON, None]:
    """A job and its newer states without its program, for these seconds. Raises ApiProblem, also if it is deleted."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    yield job
    while (left := until - loop.time()) > 0:
        version, began = job["metadata"]["resourceVersion"], loop.time()
        lasts = min(left, WATCH_SECONDS)
        async with contextlib.aclosing(kube.watch(token, namespace, name, version, lasts)) as changes:
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
    """The first state that is wanted, or after these seconds the last one."""
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
    """The result of `work`. Cancels it and raises ClientDisconnected if the client closes the connection."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnected
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
