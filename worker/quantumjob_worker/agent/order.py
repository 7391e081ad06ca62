"""Runs one order, from reading its program to writing its last segment."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

import msgspec
import urllib3

from quantumjob_contract import limits, transfer
from quantumjob_contract.exit_codes import Exit
from quantumjob_contract.schema.orders import Order
from quantumjob_contract.schema.program import Program, decode_program
from quantumjob_contract.schema.results import Provenance
from quantumjob_contract.store_errors import AccessDenied, StoreError
from quantumjob_worker.agent.heartbeat import Heartbeat
from quantumjob_worker.agent.segments import SegmentWriter
from quantumjob_worker.agent.shard_run import STORE_SECONDS, ShardRun
from quantumjob_worker.agent.time_budget import TimeBudget, run_seconds
from quantumjob_worker.clients.object_store import FETCH_SECONDS, retry_until_available
from quantumjob_worker.clients.orders import OrdersClient
from quantumjob_worker.errors import OrderFailed, Stopped
from quantumjob_worker.inputs.pub_list import pubs_of
from quantumjob_worker.inputs.tasks import TaskSource
from quantumjob_worker.isolation.runner import Runner

FINAL_STORE_SECONDS: Final = 3.0
"""Time to store results after SIGTERM, or after the operator has stopped the order."""

log = logging.getLogger(__name__)


class OrderRun:
    """The run of one order."""

    def __init__(
        self,
        order: Order,
        client: OrdersClient,
        runner: Runner,
        http: urllib3.PoolManager,
        provenance: Callable[[str], Provenance],
    ) -> None:
        received = time.monotonic()
        self._order = order
        self._runner = runner
        self._http = http
        self._until = None if order.seconds_left is None else received + order.seconds_left
        self._heartbeat = Heartbeat(client, order)
        self._provenance = provenance
        self._segments = SegmentWriter(order, client, http, self._segment_provenance)
        self._shard: ShardRun | None = None
        self.stopped = False
        """SIGTERM was received after all pubs had run: the order succeeds, then the worker exits."""

    @property
    def computed(self) -> int:
        """The number of pubs that got a result or an error in this run."""
        return 0 if self._shard is None else self._shard.computed

    def run(self) -> str:
        """Runs the order. Returns the termination message. Raises OrderFailed, WorkerExit and Stopped."""
        if self._segments.complete:
            return "An earlier attempt has stored all results."
        try:
            program = self._program()
            self._segments.resume(until=time.monotonic() + FETCH_SECONDS, wait=self._heartbeat.wait)
            urls, http, wait = self._order.circuits, self._http, self._heartbeat.wait
            pubs = pubs_of(program, urls, http, until=time.monotonic() + FETCH_SECONDS, wait=wait)
            source = TaskSource(program, pubs, self._order.shard, urls=urls, http=http, wait=wait)
            budget = TimeBudget(run_seconds(self._order.seconds_left), time.monotonic)
            self._shard = ShardRun(source, self._runner, self._segments, budget=budget, heartbeat=self._heartbeat)
            self._shard.run()
            self._finish()
        except (Stopped, OrderFailed):
            self._save()
            raise
        except AccessDenied:
            raise OrderFailed(
                Exit.TEMPORARY,
                "The store refused a presigned URL: it has expired, or the operator's keys have changed.",
            ) from None
        except StoreError:
            self._save()
            raise OrderFailed(Exit.TEMPORARY, "The store could not be reached.") from None
        return "All pubs of the order have a stored result or error."

    def _segment_provenance(self, simulated: str) -> Provenance:
        """Returns a segment's provenance. Waits until Qiskit is imported, since provenance holds that time."""
        self._runner.wait(self._heartbeat.tick)
        return self._provenance(simulated)

    def _program(self) -> Program:
        data = bytes(self._order.program)
        if data in (b"", b"null"):
            data = retry_until_available(
                lambda: transfer.get(self._http, self._order.program_url, limits.MAX_PROGRAM_BYTES),
                time.monotonic() + FETCH_SECONDS,
                self._heartbeat.wait,
            )
        try:
            program = decode_program(data)
        except msgspec.MsgspecError:
            raise OrderFailed(
                Exit.BAD_PROGRAM,
                "The program cannot be read. Operator and worker differ in version, or the program is damaged.",
            ) from None
        if program.uid != self._order.uid:
            raise OrderFailed(Exit.BAD_PROGRAM, "The program belongs to another QuantumJob than the order.")
        return program

    def _finish(self) -> None:
        """Writes the last segment. All pubs have run, so SIGTERM only shortens the time to write it."""
        until = self._until if self._until is not None else time.monotonic() + STORE_SECONDS
        try:
            self._segments.finish(until=until, wait=self._heartbeat.wait)
        except Stopped:
            self.stopped = True
            self._segments.finish(until=time.monotonic() + FINAL_STORE_SECONDS, wait=time.sleep)

    def _save(self) -> None:
        """Stores finished pubs as a numbered segment, if the store answers soon."""
        self._runner.kill()
        if not self._segments.unstored or not self._runner.ready:  # before that no pub has run
            return
        urgent = transfer.pool(self._order.store_ca, size=1, timeout=FINAL_STORE_SECONDS)
        try:
            stored = self._segments.flush(urgent)
        except StoreError:
            stored = False
        finally:
            urgent.clear()
        log.info("finished pubs are stored" if stored else "finished pubs could not be stored")
