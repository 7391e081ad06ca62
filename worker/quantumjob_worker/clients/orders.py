"""Client of the order service. Never logs a URL or a token."""

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
"""Read timeout of the long poll: the service answers 204 before, unless the connection was lost."""
UNREACHABLE_SECONDS: Final = 120.0
MAX_BACKOFF_SECONDS: Final = 2.0
"""Longest wait between two requests to an unreachable operator: queued jobs wait for the worker."""
MAX_REFUSALS: Final = 3
"""The operator's informer may not have seen the worker's pod at the first request."""
REFUSAL_PAUSE: Final = 4.0
REPORT_END_SECONDS: Final = 2.0
ALIVE_TIMEOUT: Final = 1.0

log = logging.getLogger(__name__)
T = TypeVar("T")


class OrdersUnreachable(Exception):
    """The order service did not answer, or answered with an error."""


class OrdersClient:
    """Requests of one worker to the order service, over one connection."""

    def __init__(self, url: str, ca_pem: str, token_file: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._url = url.rstrip("/")
        self._token_file = token_file
        self._http = transfer.pool(ca_pem, size=1, timeout=LONG_POLL_SECONDS, alone=True)
        self._sleep = sleep

    def next_order(self, ended: orders.EndedOrder | None = None, *, leaving: bool = False) -> orders.Order | None:
        """Reports how the last order ended, and requests until there is a next order; None if there is none.

        Raises WorkerExit if refused, or unanswered for two minutes: as a failure before the first order, else as
        success, since all reported orders are done.
        """
        code = Exit.TEMPORARY if ended is None else Exit.DONE
        question = orders.OrderRequest(ended=ended, leaving=leaving)
        refusals = failures = 0
        answered = time.monotonic()
        while True:
            asked = time.monotonic()
            try:
                status, body = self._request_order(question, LONG_POLL_SECONDS)
            except OrdersUnreachable:
                if time.monotonic() - answered > UNREACHABLE_SECONDS:
                    raise WorkerExit(code, "The operator was unreachable for two minutes.") from None
                self._sleep(backoff(failures, MAX_BACKOFF_SECONDS))
                failures += 1
                continue
            answered, failures = time.monotonic(), 0
            if leaving or status == 410:
                return None
            if status == 200:
                return _decode(body, orders.Order)
            if status in (401, 403):
                refusals += 1
                if refusals >= MAX_REFUSALS:
                    raise WorkerExit(code, "The operator refused this pod's token, so there is no order.")
                self._sleep(REFUSAL_PAUSE)
                continue
            question, refusals = orders.OrderRequest(), 0  # it has received how the last one ended
            if time.monotonic() - asked < 1:
                self._sleep(backoff(0))  # the service did not hold the request

    def report_end(self, ended: orders.EndedOrder | None) -> None:
        """Reports how the last order ended, and that the worker exits. Best effort: the results are stored already."""
        with contextlib.suppress(OrdersUnreachable, Stopped):
            self._request_order(orders.OrderRequest(ended=ended, leaving=True), REPORT_END_SECONDS)

    def alive(self, order: orders.Order, message: orders.HeartbeatRequest) -> orders.HeartbeatResponse:
        """Sends a heartbeat. Errors are ignored: the next heartbeat may reach the operator."""
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
        """Returns URLs of segments from this number on. Raises OrdersUnreachable."""
        body = msgspec.json.encode(orders.UrlsRequest(start, arrays))
        status, answer = self._post(orders.urls_path(order.uid, order.shard), body, seconds)
        if status != 200:
            raise OrdersUnreachable
        return _decode(answer, list[orders.SegmentUrl])

    def _request_order(self, question: orders.OrderRequest, seconds: float) -> tuple[int, bytes]:
        return self._post(orders.PATH_ORDERS, msgspec.json.encode(question), seconds)

    def _post(self, path: str, body: bytes, seconds: float) -> tuple[int, bytes]:
        """Returns status and body of 2xx, 401, 403 and 410. Raises OrdersUnreachable for all other outcomes."""
        try:
            token = Path(self._token_file).read_text().strip()  # the kubelet renews it
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
            log.info("the operator is unreachable", extra={"error": type(error).__name__})
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
            Exit.BAD_PROGRAM, "The operator's answer cannot be read. Operator and worker differ in version."
        ) from None
