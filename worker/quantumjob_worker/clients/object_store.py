"""Connections to the object stores, one pool for each certificate authority, and retries of requests."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

import urllib3

from quantumjob_contract import transfer
from quantumjob_contract.store_errors import StoreUnavailable

FETCH_SECONDS: Final = 120.0
"""How long a GET of a program, a segment or a circuit is retried against an unavailable store."""
MAX_POOLS: Final = 4
"""Certificate authorities whose connections are kept. There is more than one only while one is renewed."""

T = TypeVar("T")


class Pools:
    """Connection pools, kept between orders: a TLS handshake takes longer than the transfers of a small pub."""

    def __init__(self) -> None:
        self._pools: dict[str, urllib3.PoolManager] = {}

    def of(self, ca_pem: str) -> urllib3.PoolManager:
        """Returns the pool that trusts this certificate authority."""
        if ca_pem not in self._pools:
            if len(self._pools) == MAX_POOLS:
                self._pools.pop(next(iter(self._pools))).clear()
            self._pools[ca_pem] = transfer.pool(ca_pem)
        return self._pools[ca_pem]


def retry_until_available(attempt: Callable[[], T], until: float, wait: Callable[[float], None]) -> T:
    """Calls `attempt` until the store answers. Raises StoreUnavailable after `until`, other errors at once."""
    failures = 0
    while True:
        try:
            return attempt()
        except StoreUnavailable:
            pause = backoff(failures)
            if time.monotonic() + pause > until:
                raise
        wait(pause)
        failures += 1


def backoff(failures: int, most: float = 10.0) -> float:
    """Returns seconds to wait: exponential from 0.5 to `most`, with up to half of it taken off as jitter."""
    return float(min(most, 0.5 * 2 ** min(failures, 8)) * random.uniform(0.5, 1.0))  # noqa: S311  jitter
