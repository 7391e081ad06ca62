"""Probes whether the store honours conditional PUT, before anything is written: the commit depends on it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from quantumjob_contract.store_errors import StoreError, StoreUnavailable
from quantumjob_contract.transfer import Put
from quantumjob_operator.results.ports import ObjectBucket, ObjectStore

logger = logging.getLogger(__name__)

KEY: Final = "quantumjob-probe/conditional-put"
RETRY_SECONDS: Final = 2.0


class NotConditional(Exception):
    """The store overwrites an object although If-None-Match forbids it."""


async def probe(bucket: ObjectBucket) -> None:
    """Writes an object twice. Raises NotConditional if the second write is accepted."""
    if await bucket.put_once(KEY, b"first") is Put.WRITTEN and await bucket.put_once(KEY, b"second") is Put.WRITTEN:
        raise NotConditional(
            f"{bucket.uri('')} ignores If-None-Match: results could be overwritten. Use a store that honours it "
            "(MinIO, SeaweedFS, Ceph RGW, AWS S3)."
        )


class StoreGate:
    """Opens the store after the probe has passed; before that raises StoreUnavailable."""

    def __init__(self, open_store: Callable[[], ObjectStore]) -> None:
        self._open = open_store
        self.trusted = False

    def open(self) -> ObjectStore:
        """Returns the store. Raises StoreMisconfigured, or StoreUnavailable before the probe has passed."""
        store = self._open()
        if not self.trusted:
            raise StoreUnavailable("the store has not been probed yet")
        return store

    async def watch(self) -> None:
        """Probes pending and completed, with retries, then waits forever. Raises NotConditional."""
        while not self.trusted:
            try:
                store = self._open()
                for bucket in (store.pending, store.completed):
                    await probe(bucket)
                self.trusted = True
            except StoreError as error:
                logger.warning("The store is not available yet", extra={"cause": f"{type(error).__name__}: {error}"})
                await asyncio.sleep(RETRY_SECONDS)
        await asyncio.Event().wait()
