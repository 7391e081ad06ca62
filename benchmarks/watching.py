"""When objects of one kind were first seen, and when they ended, by a watch, on the client's clock."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

JSON = dict[str, Any]

WATCH_SECONDS: Final = 300
_EPOCH: Final = time.time() - time.monotonic()


class Unsuccessful(Exception):
    """A job that was to be measured has failed."""


def now() -> float:
    """Seconds since 1970 by a clock that is never set while we measure."""
    return _EPOCH + time.monotonic()


@dataclass(frozen=True)
class Ended:
    """An object when its condition Complete was seen as true."""

    seconds: float
    """By `now`."""
    object: JSON


@dataclass
class Seen:
    """What a watch has told. Names are never used twice in a run."""

    first: dict[str, float] = field(default_factory=dict)
    ended: dict[str, Ended] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def take(self, item: JSON, seconds: float) -> None:
        """An object as it was at that time."""
        name = item["metadata"]["name"]
        self.first.setdefault(name, seconds)
        for condition in item.get("status", {}).get("conditions", []):
            if condition["status"] != "True":
                continue
            if condition["type"] == "Complete":
                self.ended.setdefault(name, Ended(seconds, item))
            elif condition["type"] == "Failed":
                self.failed[name] = f"{item['kind']} {name} failed: {condition['reason']}: {condition['message']}"


class Watching:
    """One thread that watches one kind in one namespace for the rest of the process."""

    def __init__(self, ask: Callable[..., Any]) -> None:
        """`ask` is the client's list call with kind and namespace filled in."""
        self._ask = ask
        self._seen = Seen()
        self._changed = threading.Condition()
        self._broken: Exception | None = None
        listed = ask()
        self._version: str = listed["metadata"]["resourceVersion"]
        threading.Thread(target=self._run, daemon=True).start()

    def first(self, name: str) -> float:
        """When an object was first seen. Raises KeyError for one that never was."""
        with self._changed:
            return self._seen.first[name]

    def count(self) -> int:
        """How many objects have changed since the watch began."""
        with self._changed:
            return len(self._seen.first)

    def ended(self, name: str) -> Ended:
        """How an object ended. Raises KeyError for one that has not."""
        with self._changed:
            return self._seen.ended[name]

    def wait(self, names: Iterable[str], seconds: float) -> None:
        """Wait until all of these are complete. Raises Unsuccessful, TimeoutError, or what broke the watch."""
        self.wait_for_some(names, 0, seconds)

    def wait_for_some(self, names: Iterable[str], left: int, seconds: float) -> set[str]:
        """Wait until at most `left` of these are not complete; gives those."""
        wanted = set(names)
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                if self._broken:
                    raise self._broken
                if failures := [text for name, text in self._seen.failed.items() if name in wanted]:
                    raise Unsuccessful(failures[0])
                missing = wanted - self._seen.ended.keys()
                if len(missing) <= left:
                    return missing
                if not self._changed.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"{len(missing)} of {len(wanted)} not complete after {seconds:.0f} s")

    def _run(self) -> None:
        try:
            while True:
                self._stream()
        except Exception as error:  # noqa: BLE001  (whatever it is, the waiting thread raises it)
            with self._changed:
                self._broken = error
                self._changed.notify_all()

    def _stream(self) -> None:
        """One watch request until its time is over, from the version where the last one ended."""
        response = self._ask(
            watch=True,
            resource_version=self._version,
            timeout_seconds=WATCH_SECONDS,
            _preload_content=False,
        )
        for line in response:
            seconds = now()
            event = json.loads(line)
            if event["type"] == "ERROR":
                raise RuntimeError(f"The watch broke: {event['object'].get('message')}")
            self._version = event["object"]["metadata"]["resourceVersion"]
            if event["type"] in {"ADDED", "MODIFIED"}:
                with self._changed:
                    self._seen.take(event["object"], seconds)
                    self._changed.notify_all()
