"""Does the store honour a conditional PUT? Everything rests on it, so it is asked before anything is written."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from quantumjob_contract.store import Bucket, Misconfigured, Store
from quantumjob_contract.transfer import Put, StoreError

logger = logging.getLogger(__name__)

KEY: Final = "quantumjob-probe/conditional-put"
RETRY_SECONDS: Final = 5.0


class NotConditional(Exception):
    """A store that overwrites where it should refuse."""


def probe(bucket: Bucket) -> None:
    """Write an object twice. Raises NotConditional if the second write is not refused."""
    if bucket.put_once(KEY, b"first") is Put.WRITTEN and bucket.put_once(KEY, b"second") is Put.WRITTEN:
        raise NotConditional(
            f"{bucket.uri('')} ignores If-None-Match: results could be overwritten. Use a store that honours it "
            "(MinIO, SeaweedFS, Ceph RGW, AWS S3)."
        )


async def until_answered(open_store: Callable[[], Store]) -> None:
    """Probe pending and completed as soon as the store answers; what it cannot answer is asked again."""
    while True:
        try:
            store = open_store()
            for bucket in (store.pending, store.completed):
                await asyncio.to_thread(probe, bucket)
        except (StoreError, Misconfigured) as error:
            logger.warning("The store does not answer yet", extra={"cause": f"{type(error).__name__}: {error}"})
            await asyncio.sleep(RETRY_SECONDS)
        else:
            return
