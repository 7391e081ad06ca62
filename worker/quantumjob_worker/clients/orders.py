"""The order endpoint, as the worker sees it. No URL and no token of it ever reaches a log."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import urllib3

from quantumjob_contract import transfer
from quantumjob_contract.exit_codes import Exit
from quantumjob_contract.schema import orders
from quantumjob_contract.schema.decoding import decode
from quantumjob_worker.clients.object_store import backoff
from quantumjob_worker.errors import Stopped, WorkerExit

LONG_POLL_SECONDS: Final = orders.POLL_SECONDS + 5
"""Later than this no answer comes any more: the endpoint has said 204 before, unless it is gone without a word."""
UNREACHABLE_SECONDS: Final = 120.0
MOST_SECONDS: Final = 2.0
"""Longest wait between two questions to an operator that is away: jobs wait for its return."""
REFUSALS: Final = 3
"""The operator may not have seen the pod yet when it asks first."""
REFUSAL_PAUSE: Final = 4.0
LEAVE_SECONDS: Final = 2.0
ALIVE_TIMEOUT: Final = 1.0

log = logging.getLogger(__name__)
T = TypeVar("T")


class OrdersUnreachable(Exception):
    """The endpoint did not answer, or with an error of its own."""


class OrdersClient:
    """One worker's talk with the operator, over one connection."""

    def __init__(self, url: str, ca_pem: str, token_file: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._url = url.rstrip("/")
        self._token_file = token_file
        self._http = transfer.pool(ca_pem, size=1, timeout=LONG_POLL_SECONDS, alone=True)
        self._sleep = sleep

    def next_order(self, ended: orders.EndedOrder | None = None, *, leaving: bool = False) -> orders.Order | None:
        """Say how the last order ended, and ask until there is another; None where there will be none.

        Raises WorkerExit when refused, or not answered for two minutes. That is a failure where it was the first
        question; else the work is done, and nobody has more.
        """
        code = Exit.TEMPORARY if ended is None else Exit.DONE
        question = orders.OrderRequest(ended=ended, leaving=leaving)
        refusals = failures = 0
        answered = time.monotonic()
        while True:
            asked = time.monotonic()
            try:
                status, body = self._ask(question, LONG_POLL_SECONDS)
            except OrdersUnreachable:
                if time.monotonic() - answered > UNREACHABLE_SECONDS:
                    raise WorkerExit(code, "The operator could not be reached for two minutes.") from None
                self._sleep(backoff(failures, MOST_SECONDS))
                failures += 1
                continue
            answered, failures = time.monotonic(), 0
            if leaving or status == 410:
                return None
            if status == 200:
                return _decode(body, orders.Order)
            if status in (401, 403):
                refusals += 1
                if refusals >= REFUSALS:
                    raise WorkerExit(code, "The operator has no order for this pod: its token was refused.")
                self._sleep(REFUSAL_PAUSE)
                continue
            question, refusals = orders.OrderRequest(), 0  # it has heard how the last one ended
            if time.monotonic() - asked < 1:
                self._sleep(backoff(0))  # it did not wait, so we do

    def leave(self, ended: orders.EndedOrder | None) -> None:
        """Say how the last order ended, and ask for no other. Best effort: promotion finds the results without it."""
        with contextlib.suppress(OrdersUnreachable, Stopped):
            self._ask(orders.OrderRequest(ended=ended, leaving=True), LEAVE_SECONDS)

    def alive(self, order: orders.Order, message: orders.HeartbeatRequest) -> orders.HeartbeatResponse:
        """A sign of life. An answer that is none means nothing: the next one may reach the operator."""
        try:
            path = orders.alive_path(order.uid, order.shard)
            status, body = self._post(path, msgspec.json.encode(message), ALIVE_TIMEOUT)
            return (
                msgspec.json.decode(body, type=orders.HeartbeatResponse)
                if status == 200
                else orders.HeartbeatResponse()
            )
        except (OrdersUnreachable, msgspec.MsgspecError):
            return orders.HeartbeatResponse()

    def more_urls(
        self, order: orders.Order, start: int, seconds: float, *, arrays: bool = False
    ) -> list[orders.SegmentUrl]:
        """URLs of the segments from this number on. Raises OrdersUnreachable."""
        body = msgspec.json.encode(orders.UrlsRequest(start, arrays))
        status, answer = self._post(orders.urls_path(order.uid, order.shard), body, seconds)
        if status != 200:
            raise OrdersUnreachable
        return _decode(answer, list[orders.SegmentUrl])

    def _ask(self, question: orders.OrderRequest, seconds: float) -> tuple[int, bytes]:
        return self._post(orders.PATH_ORDERS, msgspec.json.encode(question), seconds)

    def _post(self, path: str, body: bytes, seconds: float) -> tuple[int, bytes]:
        """Status and body of a 2xx, 401, 403 or 410. Raises OrdersUnreachable for everything else."""
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
        if response.status >= 300 and response.status not in (401, 403, 410):
            log.info("the operator answered with an error", extra={"status": response.status})
            raise OrdersUnreachable
        return response.status, response.data


def _decode(body: bytes, kind: type[T]) -> T:
    try:
        return decode(body, kind)
    except msgspec.DecodeError:
        raise WorkerExit(
            Exit.BAD_PROGRAM, "The operator's answer cannot be read: operator and worker differ in version."
        ) from None
