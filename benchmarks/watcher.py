"""Watches the objects of one kind and records, by the client's clock, when each was first seen and when it ended.

A burst brings a thousand events a second, on the processors that do the measured work. So only the needed part of each
event is parsed, and a waiting thread is woken only by the end of a job.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from api_client import Api
from quantumjob_operator.kubernetes.client import ResourceKind

WATCH_SECONDS: Final = 300
_EPOCH: Final = time.time() - time.monotonic()


class JobUnsuccessful(Exception):
    """A measured job has failed."""


def now() -> float:
    """Returns seconds since 1970, by a clock that is never adjusted during the run."""
    return _EPOCH + time.monotonic()


class Key(NamedTuple):
    """Namespace and name of an object. Not reused within a run."""

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


class ResultReference(msgspec.Struct):
    """`status.results` of a QuantumJob."""

    key: str
    sha256: str


class ObjectStatus(msgspec.Struct):
    """The status of a QuantumJob or of a Job."""

    conditions: list[Condition] = []
    times: dict[str, str] = {}
    results: ResultReference | None = None


class WatchedObject(msgspec.Struct):
    kind: str
    metadata: Metadata
    status: ObjectStatus = msgspec.field(default_factory=ObjectStatus)

    @property
    def key(self) -> Key:
        return Key(self.metadata.namespace, self.metadata.name)


class WatchEvent(msgspec.Struct):
    type: str
    object: msgspec.Raw


_EVENT: Final = msgspec.json.Decoder(WatchEvent)
_OBJECT: Final = msgspec.json.Decoder(WatchedObject)


@dataclass(frozen=True)
class Completion:
    """An object at the time when its condition Complete was first seen as true."""

    seconds: float
    """Time by `now`."""
    item: WatchedObject


@dataclass
class WatchState:
    """What the events of a watch have shown so far."""

    version: str
    """The newest resource version, from which a watch can continue."""
    first_seen: dict[Key, float] = field(default_factory=dict)
    completed: dict[Key, Completion] = field(default_factory=dict)
    failed: dict[Key, str] = field(default_factory=dict)

    def apply(self, line: bytes, seconds: float) -> bool:
        """Applies an event; returns whether an object ended by it. Raises RuntimeError where the watch is broken."""
        event = _EVENT.decode(line)
        if event.type == "ERROR":
            raise RuntimeError(f"The watch broke: {bytes(event.object).decode()}")
        item = _OBJECT.decode(event.object)
        self.version = item.metadata.resource_version
        if event.type not in {"ADDED", "MODIFIED"}:
            return False
        self.first_seen.setdefault(item.key, seconds)
        return any(self._note_end(item, each, seconds) for each in item.status.conditions if each.status == "True")

    def _note_end(self, item: WatchedObject, condition: Condition, seconds: float) -> bool:
        key = item.key
        if condition.type == "Complete" and key not in self.completed:
            self.completed[key] = Completion(seconds, item)
        elif condition.type == "Failed" and key not in self.failed:
            self.failed[key] = f"{item.kind} {key.name} failed: {condition.reason}: {condition.message}"
        else:
            return False
        return True


class Watcher:
    """Watches one kind in all namespaces, in a thread, until the process ends."""

    def __init__(self, api: Api, kind: ResourceKind) -> None:
        self._api, self._path = api, kind.path()
        self._state = WatchState(api.ask("GET", self._path, limit="1")["metadata"]["resourceVersion"])
        self._changed = threading.Condition()
        self._broken: Exception | None = None
        threading.Thread(target=self._run, daemon=True).start()

    def first(self, key: Key) -> float:
        """Returns when an object was first seen. Raises KeyError if it was not."""
        with self._changed:
            return self._state.first_seen[key]

    def changed(self) -> list[Key]:
        """Returns the objects that have changed since the watch began."""
        with self._changed:
            return list(self._state.first_seen)

    def wait(self, keys: Iterable[Key], seconds: float) -> dict[Key, Completion]:
        """Waits until all of these are complete. Raises JobUnsuccessful, TimeoutError, or the error of the watch."""
        wanted = set(keys)
        self.wait_for_some(wanted, 0, seconds)
        with self._changed:
            return {key: self._state.completed[key] for key in wanted}

    def wait_for_some(self, keys: Iterable[Key], left: int, seconds: float) -> set[Key]:
        """Waits until at most `left` of these are not complete; returns those."""
        wanted = missing = set(keys)
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                if self._broken:
                    raise self._broken
                if failures := [text for key, text in self._state.failed.items() if key in wanted]:
                    raise JobUnsuccessful(failures[0])
                missing = missing - self._state.completed.keys()
                if len(missing) <= left:
                    return missing
                if not self._changed.wait(deadline - time.monotonic()):
                    raise TimeoutError(_timeout_message(missing, len(wanted), seconds))

    def _run(self) -> None:
        try:
            while True:
                self._stream()
        except Exception as error:  # noqa: BLE001  (the waiting thread raises it)
            with self._changed:
                self._broken = error
                self._changed.notify_all()

    def _stream(self) -> None:
        """Reads one watch request to its end, from the version at which the previous one ended."""
        query = {"watch": "1", "allowWatchBookmarks": "true", "timeoutSeconds": str(WATCH_SECONDS)}
        for line in self._api.lines(self._path, WATCH_SECONDS, resourceVersion=self._state.version, **query):
            seconds = now()
            with self._changed:
                if self._state.apply(line, seconds):
                    self._changed.notify_all()


def _timeout_message(missing: set[Key], wanted: int, seconds: float) -> str:
    """Returns the message about objects that are not complete in time."""
    first = min(missing)
    return f"{len(missing)} of {wanted} not complete after {seconds:.0f} s, {first.namespace}/{first.name} for one"
