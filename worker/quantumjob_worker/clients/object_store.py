"""The stores, as the worker talks to them: one pool of connections for each authority, and patience."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

import urllib3

from quantumjob_contract import transfer
from quantumjob_contract.store_errors import StoreUnavailable

FETCH_SECONDS: Final = 120.0
"""How long a store that does not answer is asked for a program, a segment or a circuit."""
MOST: Final = 4
"""Authorities whose connections are kept. More come only when one is renewed."""

T = TypeVar("T")


class Pools:
    """The connections to the stores, kept from order to order: a handshake costs more than a small pub's transfers."""

    def __init__(self) -> None:
        self._pools: dict[str, urllib3.PoolManager] = {}

    def of(self, ca_pem: str) -> urllib3.PoolManager:
        """The connections that trust this authority."""
        if ca_pem not in self._pools:
            if len(self._pools) == MOST:
                self._pools.pop(next(iter(self._pools))).clear()
            self._pools[ca_pem] = transfer.pool(ca_pem)
        return self._pools[ca_pem]


def patiently(attempt: Callable[[], T], until: float, wait: Callable[[float], None]) -> T:
    """Attempt it until the store answers. Raises StoreUnavailable after `until`, and other errors at once."""
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
    """Seconds to wait: doubling from half a second to `most`, less up to a half so that not all come at once."""
    return float(min(most, 0.5 * 2 ** min(failures, 8)) * random.uniform(0.5, 1.0))  # noqa: S311  no secret in it
