"""Writes a shard's segments: collects results, decides when to flush, and writes each key once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

import msgspec
import urllib3

from quantumjob_contract import keys, limits, transfer
from quantumjob_contract.names import API_VERSION
from quantumjob_contract.schema import saved_arrays
from quantumjob_contract.schema.orders import Order, SegmentUrl
from quantumjob_contract.schema.results import (
    Provenance,
    PubResult,
    PubTimes,
    Segment,
    StoredObject,
    decode_segment,
)
from quantumjob_contract.store_errors import StoreUnavailable
from quantumjob_worker.agent import npz
from quantumjob_worker.clients.object_store import retry_until_available
from quantumjob_worker.clients.orders import OrdersClient, OrdersUnreachable
from quantumjob_worker.clock import now

FULL: Final = limits.MAX_SEGMENT_BYTES // 2
"""A segment of this size must be written before a result is added, also where the operator has sent no URL yet."""
RETRY_SECONDS: Final = 5.0

log = logging.getLogger(__name__)


def encode(value: msgspec.Struct) -> bytes:
    """Encodes as JSON without sorting keys: registers keep the circuit's order, which is deterministic."""
    return msgspec.json.encode(value)


class UnstoredPub(NamedTuple):
    """A finished pub that is not in a segment yet."""

    result: PubResult
    times: PubTimes
    arrays: Sequence[memoryview] = ()


class SegmentWriter:
    """Holds a shard's finished pubs until they are written to a segment."""

    def __init__(
        self,
        order: Order,
        client: OrdersClient,
        http: urllib3.PoolManager,
        provenance: Callable[[str], Provenance],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._order = order
        self._client = client
        self._http = http
        self._provenance = provenance
        self._clock = clock
        self._urls = list(order.next)
        self._number = 0
        self._stored: list[StoredObject] = []
        self._unstored: list[UnstoredPub] = []
        self._newest = now()
        self._bytes = 0
        self._attempted = ""
        """The name of the last PUT, whether or not the store answered."""
        self._due = clock() + limits.SEGMENT_SECONDS
        self.done: set[int] = set()
        """Indices of pubs in stored segments."""
        self.complete = any(found.name == keys.LAST for found in order.found)

    def resume(self, *, until: float, wait: Callable[[float], None]) -> None:
        """Reads the segments of earlier attempts. Raises StoreError."""
        for found in self._order.found:
            if found.name == keys.LAST:
                continue
            data = retry_until_available(
                partial(transfer.get, self._http, found.url, limits.MAX_SEGMENT_BYTES), until, wait
            )
            try:
                segment = decode_segment(data)
            except msgspec.MsgspecError:
                log.warning("cannot read a segment of an earlier attempt; its pubs run again")
                continue
            if (segment.uid, segment.shard) != (self._order.uid, self._order.shard):
                continue
            pubs = {result.index for result in segment.pubs}
            if pubs.isdisjoint(self.done):  # an interrupted write may have left the same pubs under two names
                self._stored.append(self._object(found.name, data))
                self.done |= pubs
        taken = {found.name for found in self._order.found}
        self._urls = [url for url in self._urls if url.name not in taken]
        self._number = max([-1, *(int(name) for name in taken if name.isdecimal())]) + 1

    def add(self, result: PubResult, times: PubTimes, arrays: Sequence[memoryview] = ()) -> None:
        self._unstored.append(UnstoredPub(result, times, arrays))
        self._newest = now()
        self._bytes += len(encode(result)) + sum(map(len, arrays))

    @property
    def unstored(self) -> int:
        return len(self._unstored)

    @property
    def full(self) -> bool:
        return self._bytes >= FULL

    def due_in(self) -> float | None:
        """Returns the seconds until a flush is due; None without unstored pubs."""
        if not self._unstored:
            return None
        return 0.0 if self._bytes >= limits.SEGMENT_BYTES else max(0.0, self._due - self._clock())

    def flush(self, urgent: urllib3.PoolManager | None = None) -> bool:
        """Writes unstored pubs as a numbered segment. Returns False if that failed; the next flush tries again.

        `urgent` are connections with short timeouts, for a worker that must exit soon.
        """
        http = urgent or self._http
        while self._unstored:
            try:
                target = self._next_url(2.0 if urgent else 15.0)
                batch, arrays = self._with_arrays(http, target)
                data = self._encoded(target.name, batch, arrays=arrays)
                again, self._attempted = self._attempted == target.name, target.name
                put = transfer.put_once(http, target.url, data)
            except (OrdersUnreachable, StoreUnavailable) as error:
                log.warning("a segment could not be written; trying again later", extra={"error": type(error).__name__})
                self._due = self._clock() + RETRY_SECONDS
                return False
            self._urls.pop(0)
            self._number = int(target.name) + 1
            if put is transfer.Put.WRITTEN:  # else the name is an earlier attempt's: take the next name
                self._stored.append(self._object(target.name, data))
                self._clear(batch)
            elif urgent and again:  # our own PUT, interrupted by SIGTERM after the store had it
                self._clear(batch)
        self._due = self._clock() + limits.SEGMENT_SECONDS
        return True

    def finish(self, *, until: float, wait: Callable[[float], None]) -> None:
        """Writes the last segment, with retries until then. Raises StoreUnavailable after it, or AccessDenied."""
        retry_until_available(self._flush_arrays, until, wait)
        data = self._encoded(keys.LAST, self._unstored, segments=self._stored)
        retry_until_available(lambda: transfer.put_once(self._http, self._order.last, data), until, wait)
        self.complete = True

    def _flush_arrays(self) -> None:
        """Writes unstored arrays, which only numbered segments have. Raises StoreUnavailable."""
        if self._has_arrays and not self.flush():
            raise StoreUnavailable("arrays wait")

    def _with_arrays(
        self, http: urllib3.PoolManager, target: SegmentUrl
    ) -> tuple[list[UnstoredPub], StoredObject | None]:
        """Writes the arrays of the next segment. Returns the pubs that it will hold, and the arrays' object.

        If an earlier attempt left arrays under this name, the segment holds only the pubs without arrays.
        """
        if not self._has_arrays:
            return list(self._unstored), None
        packed = npz.pack(
            (saved_arrays.member(each.result.index, name), data)
            for each in self._unstored
            for name, data in zip(each.result.arrays, each.arrays, strict=True)
        )
        if transfer.put_parts_once(http, target.arrays, packed.parts) is transfer.Put.EXISTED:
            return [each for each in self._unstored if not each.arrays], None
        key = f"{self._folder}/{target.name}.npz"
        return list(self._unstored), StoredObject(key=key, bytes=packed.bytes, sha256=packed.sha256())

    def _next_url(self, seconds: float) -> SegmentUrl:
        saves = self._has_arrays
        if not self._urls or (saves and not self._urls[0].arrays):  # requested when no pub had arrays
            answer = self._client.more_urls(self._order, self._number, seconds, arrays=saves)
            self._urls = [url for url in answer if url.name.isdecimal() and int(url.name) >= self._number]
        if not self._urls or (saves and not self._urls[0].arrays):
            raise OrdersUnreachable
        return self._urls[0]

    def _encoded(
        self,
        name: str,
        batch: Sequence[UnstoredPub],
        *,
        segments: Sequence[StoredObject] = (),
        arrays: StoredObject | None = None,
    ) -> bytes:
        segment = Segment(
            api_version=API_VERSION,
            uid=self._order.uid,
            shard=self._order.shard,
            name=name,
            pubs=[each.result for each in batch],
            times={str(each.result.index): each.times for each in batch},
            provenance=self._provenance(self._newest),
            segments=list(segments),
            arrays=arrays,
        )
        return encode(segment)

    def _object(self, name: str, data: bytes) -> StoredObject:
        return StoredObject(key=f"{self._folder}/{name}.json", bytes=len(data), sha256=transfer.sha256(data))

    @property
    def _has_arrays(self) -> bool:
        return any(each.arrays for each in self._unstored)

    @property
    def _folder(self) -> str:
        return self._order.last_key.rpartition("/")[0]

    def _clear(self, stored: list[UnstoredPub]) -> None:
        """Removes stored pubs: all, or all without arrays."""
        self.done.update(each.result.index for each in stored)
        self._unstored = [each for each in self._unstored if each.result.index not in self.done]
        self._bytes = sum(len(data) for each in self._unstored for data in each.arrays)
