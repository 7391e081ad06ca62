"""The order endpoint, as the worker sees it. No URL and no token of it ever reaches a log."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import urllib3

from quantumjob_contract import orders, transfer
from quantumjob_contract.exits import Exit
from quantumjob_worker.errors import WorkerExit

LONG_POLL_SECONDS: Final = 90.0
"""The endpoint answers 204 earlier when it has nothing."""
UNREACHABLE_SECONDS: Final = 120.0
REFUSALS: Final = 3
"""The operator may not have seen the pod yet when it asks first."""
REFUSAL_PAUSE: Final = 4.0

log = logging.getLogger(__name__)
T = TypeVar("T")


class OrdersUnreachable(Exception):
    """The endpoint did not answer, or with an error of its own."""


class OrdersClient:
    """One worker's talk with the operator."""

    def __init__(self, url: str, ca_pem: str, token_file: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._url = url.rstrip("/")
        self._token_file = token_file
        self._http = transfer.pool(ca_pem, size=1, timeout=LONG_POLL_SECONDS)
        self._sleep = sleep

    def next_order(self) -> orders.Order:
        """Ask until there is an order. Raises WorkerExit when refused, or not answered for two minutes."""
        refusals = failures = 0
        answered = time.monotonic()
        while True:
            try:
                asked = time.monotonic()
                status, body = self._post(orders.PATH_ORDERS, b"{}", LONG_POLL_SECONDS)
            except OrdersUnreachable:
                if time.monotonic() - answered > UNREACHABLE_SECONDS:
                    raise WorkerExit(Exit.TEMPORARY, "The operator could not be reached for two minutes.") from None
                self._sleep(backoff(failures))
                failures += 1
                continue
            answered, failures = time.monotonic(), 0
            if status == 200:
                return _decode(body, orders.Order)
            if status in (401, 403):
                refusals += 1
                if refusals >= REFUSALS:
                    raise WorkerExit(Exit.TEMPORARY, "The operator has no order for this pod: its token was refused.")
                self._sleep(REFUSAL_PAUSE)
            elif time.monotonic() - asked < 1:
                self._sleep(backoff(0))  # it did not wait, so we do

    def more_urls(self, order: orders.Order, start: int, seconds: float) -> list[orders.SegmentUrl]:
        """URLs of the segments from this number on. Raises OrdersUnreachable."""
        body = msgspec.json.encode(orders.UrlsRequest(start=start))
        status, answer = self._post(orders.urls_path(order.uid, order.shard), body, seconds)
        if status != 200:
            raise OrdersUnreachable
        return _decode(answer, list[orders.SegmentUrl])

    def ended(self, order: orders.Order, message: orders.Ended) -> None:
        """Best effort: promotion finds the last segment without it."""
        try:
            self._post(orders.ended_path(order.uid, order.shard), msgspec.json.encode(message), 3.0)
        except OrdersUnreachable:
            log.warning("the operator was not told of the end; it will find the results by itself")

    def _post(self, path: str, body: bytes, seconds: float) -> tuple[int, bytes]:
        """Status and body of a 2xx, 401 or 403. Raises OrdersUnreachable for everything else."""
        try:
            token = Path(self._token_file).read_text().strip()  # kubelet renews it
            response = self._http.request(
                "POST",
                self._url + path,
                body=body,
                headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
                timeout=urllib3.Timeout(connect=min(5.0, seconds), read=seconds),
                retries=False,
                redirect=False,
            )
        except (OSError, urllib3.exceptions.HTTPError) as error:
            log.info("the operator cannot be reached", extra={"error": type(error).__name__})
            raise OrdersUnreachable from None
        if response.status >= 300 and response.status not in (401, 403):
            log.info("the operator answered with an error", extra={"status": response.status})
            raise OrdersUnreachable
        return response.status, response.data


def backoff(failures: int) -> float:
    """Seconds to wait: doubling from half a second to ten, with jitter so that workers do not come all at once."""
    return float(min(10.0, 0.5 * 2 ** min(failures, 8)) * random.uniform(0.5, 1.5))  # noqa: S311  no secret in it


def _decode(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError:
        raise WorkerExit(
            Exit.BAD_PROGRAM, "The operator's answer cannot be read: operator and worker differ in version."
        ) from None
