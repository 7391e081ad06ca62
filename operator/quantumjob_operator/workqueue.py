"""A keyed queue: a key waits in it once however often it is added, and is never worked on twice at a time."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

FIRST_RETRY_SECONDS: Final = 0.2
LONGEST_RETRY_SECONDS: Final = 30.0


class WorkQueue(Generic[K]):
    """Add keys from anywhere in the event loop; take them with `get`, and give each back with `done`."""

    def __init__(self) -> None:
        self._ready: deque[K] = deque()
        self._waiting: set[K] = set()
        self._taken: set[K] = set()
        self._failures: Counter[K] = Counter()
        self._later: dict[K, asyncio.TimerHandle] = {}
        self._wake = asyncio.Event()

    def add(self, key: K) -> None:
        """Work on this key soon; if it is being worked on, once more after that."""
        if handle := self._later.pop(key, None):
            handle.cancel()
        if key in self._waiting:
            return
        self._waiting.add(key)
        if key not in self._taken:
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

    def forget(self, key: K) -> None:
        """The key's work succeeded: its next failure is a first one."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        while not self._ready:
            self._wake.clear()
            await self._wake.wait()
        key = self._ready.popleft()
        self._waiting.discard(key)
        self._taken.add(key)
        return key

    def done(self, key: K) -> None:
        self._taken.discard(key)
        if key in self._waiting:
            self._push(key)

    def __len__(self) -> int:
        return len(self._ready)

    def _push(self, key: K) -> None:
        self._ready.append(key)
        self._wake.set()
