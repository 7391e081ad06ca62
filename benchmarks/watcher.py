"""When objects of one kind were first seen, and when they ended, by a watch, on the client's clock.

A burst brings a thousand events a second, on processors that do the work which is measured: of each event only what
is needed is parsed, and a waiting thread is woken only by the end of a job.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from api_client import Api
from quantumjob_operator.kubernetes.client import Kind

WATCH_SECONDS: Final = 300
_EPOCH: Final = time.time() - time.monotonic()


class Unsuccessful(Exception):
    """A job that was to be measured has failed."""


def now() -> float:
    """Seconds since 1970 by a clock that is never set while we measure."""
    return _EPOCH + time.monotonic()


class Key(NamedTuple):
    """Which object. Never used twice in a run."""

    namespace: str
    name: str


class Metadata(msgspec.Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""


class Condition(msgspec.Struct):
    type: str
    status: str
    reason: str = ""
    message: str = ""


class Stored(msgspec.Struct):
    """status.results of a QuantumJob."""

    key: str
    sha256: str


class Status(msgspec.Struct):
    """Of a QuantumJob or of a Job."""

    conditions: list[Condition] = []
    times: dict[str, str] = {}
    results: Stored | None = None


class Item(msgspec.Struct):
    kind: str
    metadata: Metadata
    status: Status = msgspec.field(default_factory=Status)

    @property
    def key(self) -> Key:
        return Key(self.metadata.namespace, self.metadata.name)


class Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


_EVENT: Final = msgspec.json.Decoder(Event)
_ITEM: Final = msgspec.json.Decoder(Item)


@dataclass(frozen=True)
class Ended:
    """An object when its condition Complete was seen as true."""

    seconds: float
    """By `now`."""
    item: Item


@dataclass
class Seen:
    """What a watch has told."""

    version: str
    """The newest: from here a watch can go on."""
    first: dict[Key, float] = field(default_factory=dict)
    ended: dict[Key, Ended] = field(default_factory=dict)
    failed: dict[Key, str] = field(default_factory=dict)

    def take(self, line: bytes, seconds: float) -> bool:
        """An event of that time. Gives whether an object ended by it. Raises RuntimeError where the watch is broken."""
        event = _EVENT.decode(line)
        if event.type == "ERROR":
            raise RuntimeError(f"The watch broke: {bytes(event.object).decode()}")
        item = _ITEM.decode(event.object)
        self.version = item.metadata.resource_version
        if event.type not in {"ADDED", "MODIFIED"}:
            return False
        self.first.setdefault(item.key, seconds)
        return any(self._judge(item, each, seconds) for each in item.status.conditions if each.status == "True")

    def _judge(self, item: Item, condition: Condition, seconds: float) -> bool:
        key = item.key
        if condition.type == "Complete" and key not in self.ended:
            self.ended[key] = Ended(seconds, item)
        elif condition.type == "Failed" and key not in self.failed:
            self.failed[key] = f"{item.kind} {key.name} failed: {condition.reason}: {condition.message}"
        else:
            return False
        return True


class Watching:
    """One thread that watches one kind in all namespaces for the rest of the process."""

    def __init__(self, api: Api, kind: Kind) -> None:
        self._api, self._path = api, kind.path()
        self._seen = Seen(api.ask("GET", self._path, limit="1")["metadata"]["resourceVersion"])
        self._changed = threading.Condition()
        self._broken: Exception | None = None
        threading.Thread(target=self._run, daemon=True).start()

    def first(self, key: Key) -> float:
        """When an object was first seen. Raises KeyError for one that never was."""
        with self._changed:
            return self._seen.first[key]

    def changed(self) -> list[Key]:
        """The objects that have changed since the watch began."""
        with self._changed:
            return list(self._seen.first)

    def wait(self, keys: Iterable[Key], seconds: float) -> dict[Key, Ended]:
        """Wait until all of these are complete. Raises Unsuccessful, TimeoutError, or what broke the watch."""
        wanted = set(keys)
        self.wait_for_some(wanted, 0, seconds)
        with self._changed:
            return {key: self._seen.ended[key] for key in wanted}

    def wait_for_some(self, keys: Iterable[Key], left: int, seconds: float) -> set[Key]:
        """Wait until at most `left` of these are not complete; gives those."""
        wanted = missing = set(keys)
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                if self._broken:
                    raise self._broken
                if failures := [text for key, text in self._seen.failed.items() if key in wanted]:
                    raise Unsuccessful(failures[0])
                missing = missing - self._seen.ended.keys()
                if len(missing) <= left:
                    return missing
                if not self._changed.wait(deadline - time.monotonic()):
                    raise TimeoutError(_late(missing, len(wanted), seconds))

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
        query = {"watch": "1", "allowWatchBookmarks": "true", "timeoutSeconds": str(WATCH_SECONDS)}
        for line in self._api.lines(self._path, WATCH_SECONDS, resourceVersion=self._seen.version, **query):
            seconds = now()
            with self._changed:
                if self._seen.take(line, seconds):
                    self._changed.notify_all()


def _late(missing: set[Key], wanted: int, seconds: float) -> str:
    """What is not complete in time."""
    first = min(missing)
    return f"{len(missing)} of {wanted} not complete after {seconds:.0f} s, {first.namespace}/{first.name} for one"
