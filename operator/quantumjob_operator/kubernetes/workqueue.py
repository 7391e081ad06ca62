"""A keyed queue: a key waits in it once however often it is added, and is never worked on twice at a time.

It is fair: lanes (namespaces) have their turn one after the other, however many keys of one of them wait. In its lane,
what is urgent goes first.
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
    """How the log tells of a key whose work has failed."""

    logger: logging.Logger
    failed: str
    about: Callable[[K], dict[str, object]]


class WorkQueue(Generic[K]):
    """Add keys from anywhere in the event loop; take them with `get`, and give each back with `done`."""

    def __init__(self, flow: Callable[[K], Hashable] = lambda _: None) -> None:
        self._flow = flow
        """Whose turn a key takes; keys of one lane come in their order."""
        self._flows: OrderedDict[Hashable, tuple[deque[K], deque[K]]] = OrderedDict()
        """Urgent keys and the others."""
        self._waiting: dict[K, bool] = {}
        """Whether each is urgent."""
        self._taken: set[K] = set()
        self._failures: Counter[K] = Counter()
        self._later: dict[K, asyncio.TimerHandle] = {}
        self._wake = asyncio.Event()

    def add(self, key: K, *, urgent: bool = False) -> None:
        """Work on this key soon; if it is being worked on, once more after that."""
        if handle := self._later.pop(key, None):
            handle.cancel()
        before = self._waiting.get(key)
        self._waiting[key] = urgent or bool(before)
        if key not in self._taken and (before is None or (urgent and not before)):
            self._push(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Work on this key after some time, or earlier if something else adds it."""
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        before = self._later.get(key)
        if before is not None and before.when() <= due:
            return
        if before is not None:
            before.cancel()
        self._later[key] = loop.call_later(seconds, self.add, key)

    def retry(self, key: K) -> float:
        """Work on this key again after a time that doubles with each failure in a row; gives that time in seconds."""
        seconds: float = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** min(self._failures[key], 10))
        self._failures[key] += 1
        self.add_after(key, seconds)
        return seconds

    def is_failing(self, key: K) -> bool:
        """Whether the key's work has failed and waits to be tried again."""
        return key in self._failures and key in self._later

    def drop(self, key: K) -> None:
        """There is nothing to do about this key."""
        self._waiting.pop(key, None)

    def forget(self, key: K) -> None:
        """The key's work succeeded: its next failure is a first one."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        while True:
            while (key := self._pop()) is not None:
                if key in self._waiting and key not in self._taken:  # else a place that it had before it became urgent
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
        """Work on one key after the other until cancelled. What fails is told and tried again, a defect too."""
        while True:
            key = await self.get()
            try:
                await work(key)
                self.forget(key)
            except temporary as error:
                about = report.about(key) | {"cause": str(error), "seconds": self.retry(key)}
                report.logger.warning(report.failed, extra=about)
            except Exception:
                self.retry(key)
                report.logger.exception("Internal error of the operator", extra=report.about(key))
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
