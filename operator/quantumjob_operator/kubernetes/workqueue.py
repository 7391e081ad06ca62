"""A work queue of keys with retries, as in client-go: a key is in it once, and is processed by one task at a time.

It is fair: flows (namespaces) are served round robin. Within a flow, urgent keys are served first.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)

FIRST_RETRY_SECONDS: Final = 0.2
LONGEST_RETRY_SECONDS: Final = 30.0


class RetryLog(NamedTuple, Generic[K]):
    """The log message for a key whose processing has failed."""

    logger: logging.Logger
    failed: str
    fields: Callable[[K], dict[str, object]]


class WorkQueue(Generic[K]):
    """Keys are added from anywhere in the event loop, taken by `get` and returned by `done`."""

    def __init__(self, flow: Callable[[K], Hashable] = lambda _: None) -> None:
        self._flow = flow
        """The flow of a key. Keys of one flow are served in the order of `add`."""
        self._flows: OrderedDict[Hashable, tuple[deque[K], deque[K]]] = OrderedDict()
        """Urgent keys and others, by flow."""
        self._waiting: dict[K, bool] = {}
        """Whether each waiting key is urgent."""
        self._taken: set[K] = set()
        self._failures: Counter[K] = Counter()
        self._later: dict[K, asyncio.TimerHandle] = {}
        self._wake = asyncio.Event()

    def add(self, key: K, *, urgent: bool = False) -> None:
        """Enqueues a key. A key that is being processed is processed again after that."""
        if handle := self._later.pop(key, None):
            handle.cancel()
        before = self._waiting.get(key)
        self._waiting[key] = urgent or bool(before)
        if key not in self._taken and (before is None or (urgent and not before)):
            self._push(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Enqueues a key after a delay, unless it is added earlier."""
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        before = self._later.get(key)
        if before is not None and before.when() <= due:
            return
        if before is not None:
            before.cancel()
        self._later[key] = loop.call_later(seconds, self.add, key)

    def retry(self, key: K) -> float:
        """Enqueues a key after a delay that doubles with each failure in a row; returns the delay in seconds."""
        seconds: float = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** min(self._failures[key], 10))
        self._failures[key] += 1
        self.add_after(key, seconds)
        return seconds

    def is_failing(self, key: K) -> bool:
        """Whether the key has failed and waits for its retry."""
        return key in self._failures and key in self._later

    def drop(self, key: K) -> None:
        """Removes a key."""
        self._waiting.pop(key, None)

    def forget(self, key: K) -> None:
        """Resets the failures of a key."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        while True:
            while (key := self._pop()) is not None:
                if key in self._waiting and key not in self._taken:  # else an entry from before the key became urgent
                    del self._waiting[key]
                    self._taken.add(key)
                    return key
            self._wake.clear()
            await self._wake.wait()

    def done(self, key: K) -> None:
        self._taken.discard(key)
        if key in self._waiting:
            self._push(key)

    async def serve(
        self, work: Callable[[K], Awaitable[None]], temporary: tuple[type[Exception], ...], report: RetryLog[K]
    ) -> None:
        """Processes keys until cancelled. Logs and retries after an exception, also an unexpected one."""
        while True:
            key = await self.get()
            try:
                await work(key)
                self.forget(key)
            except temporary as error:
                extra = report.fields(key) | {"cause": str(error), "seconds": self.retry(key)}
                report.logger.warning(report.failed, extra=extra)
            except Exception:
                self.retry(key)
                report.logger.exception("Internal error of the operator", extra=report.fields(key))
            finally:
                self.done(key)

    def __len__(self) -> int:
        return len(self._waiting.keys() - self._taken)

    def _push(self, key: K) -> None:
        urgent, others = self._flows.setdefault(self._flow(key), (deque(), deque()))
        (urgent if self._waiting[key] else others).append(key)
        self._wake.set()

    def _pop(self) -> K | None:
        if not self._flows:
            return None
        flow, (urgent, others) = self._flows.popitem(last=False)
        key = (urgent or others).popleft()
        if urgent or others:
            self._flows[flow] = (urgent, others)
        return key
