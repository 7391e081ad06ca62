"""The worker's life: while there is an order, carry it out. Today there is one."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

import msgspec
import urllib3

from quantumjob_contract import limits, transfer
from quantumjob_contract.exits import Exit
from quantumjob_contract.orders import Ended, Order
from quantumjob_contract.program import Program, decode_program
from quantumjob_contract.results import Provenance, Termination
from quantumjob_worker.budget import Budget, run_seconds
from quantumjob_worker.clock import now
from quantumjob_worker.errors import Stopped, WorkerExit
from quantumjob_worker.orders_client import OrdersClient
from quantumjob_worker.runner import Runner
from quantumjob_worker.segments import Segments
from quantumjob_worker.shard import FETCH_SECONDS, STORE_SECONDS, Shard

LAST_WORDS_SECONDS: Final = 3.0
"""For what is stored after SIGTERM."""

log = logging.getLogger(__name__)


class Worker:
    """Asks for orders and carries them out."""

    def __init__(
        self, client: OrdersClient, runner: Runner, about: Mapping[str, str], versions: dict[str, str]
    ) -> None:
        self._client = client
        self._runner = runner
        self._about = about
        """Sandbox, pod and time of start, for the provenance."""
        self._versions = versions
        self._orders = 1

    def run(self) -> Termination:
        """Until there is no order any more. Raises WorkerExit, and Stopped."""
        summary = Termination("Done", "There was no order.")
        while (order := self._next_order()) is not None:
            summary = self._carry_out(order)
        return summary

    def _next_order(self) -> Order | None:
        if self._orders == 0:
            return None
        self._orders -= 1
        return self._client.next_order()

    def _carry_out(self, order: Order) -> Termination:
        ordered, received = now(), time.monotonic()
        log.info("order received", extra={"uid": order.uid, "shard": order.shard})
        http = transfer.pool(order.store_ca)
        segments = Segments(order, self._client, http, lambda simulated: self._provenance(ordered, simulated))
        if segments.complete:
            return Termination("Done", "An earlier attempt had stored everything.")
        until = None if order.seconds_left is None else received + order.seconds_left
        try:
            program = self._program(order, http)
            segments.resume()
            budget = Budget(run_seconds(order.seconds_left), time.monotonic)
            Shard(program, order.circuits, http, self._runner, segments, budget=budget).run()
            simulated = now()
            self._finish(segments, until if until is not None else time.monotonic() + STORE_SECONDS)
        except Stopped:
            self._save(order, segments)
            raise
        except transfer.StoreRefused:
            raise WorkerExit(
                Exit.TEMPORARY, "The store refused a URL of the order: it expired, or its signer has new keys."
            ) from None
        except transfer.StoreError:
            self._save(order, segments)
            raise WorkerExit(Exit.TEMPORARY, "The store could not be reached.") from None
        self._client.ended(order, Ended(simulated=simulated, stored=now()))
        log.info("order done", extra={"uid": order.uid, "shard": order.shard, "pubs": len(program.pubs)})
        return Termination("Done", f"All {len(program.pubs)} pubs have a result or an error, and are stored.")

    def _program(self, order: Order, http: urllib3.PoolManager) -> Program:
        data = bytes(order.program)
        if data in (b"", b"null"):
            data = _patiently(lambda: transfer.get(http, order.program_url, limits.MAX_PROGRAM_BYTES))
        try:
            program = decode_program(data)
        except msgspec.MsgspecError:
            raise WorkerExit(
                Exit.BAD_PROGRAM, "The program cannot be read: operator and worker differ in version, or it is damaged."
            ) from None
        if program.uid != order.uid:
            raise WorkerExit(Exit.BAD_PROGRAM, "The program is of another QuantumJob than the order.")
        return program

    def _finish(self, segments: Segments, until: float) -> None:
        """The last segment. All is computed by now, so a SIGTERM meanwhile only hurries it."""
        try:
            segments.finish(until=until)
        except Stopped:
            segments.finish(until=time.monotonic() + LAST_WORDS_SECONDS)

    def _save(self, order: Order, segments: Segments) -> None:
        """What is done as a numbered segment, if the store takes it soon."""
        self._runner.kill()
        if not segments.waiting:
            return
        hasty = transfer.pool(order.store_ca, size=1, timeout=LAST_WORDS_SECONDS)
        hasty.connection_pool_kw["retries"] = urllib3.Retry(total=1, status_forcelist=(500, 502, 503, 504))
        try:
            stored = segments.flush(hasty)
        except transfer.StoreError:
            stored = False
        log.info("what was done is stored" if stored else "what was done could not be stored")

    def _provenance(self, ordered: str, simulated: str) -> Provenance:
        return Provenance(
            versions=self._versions,
            sandbox=self._about["sandbox"],
            threads=self._runner.threads,
            memory_bytes=self._runner.memory,
            pod=self._about["pod"],
            started=self._about["started"],
            imported=self._runner.imported,
            ordered=ordered,
            simulated=simulated,
        )


def _patiently(get: Callable[[], bytes]) -> bytes:
    """transfer retries for seconds; a program is worth minutes."""
    until = time.monotonic() + FETCH_SECONDS
    while True:
        try:
            return get()
        except transfer.StoreUnavailable:
            if time.monotonic() > until:
                raise
            time.sleep(1.0)
