"""One order, from its program to its last segment."""

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
from quantumjob_worker.clients.object_store import FETCH_SECONDS, patiently
from quantumjob_worker.clients.orders import OrdersClient
from quantumjob_worker.errors import OrderFailed, Stopped
from quantumjob_worker.inputs.pub_list import pubs_of
from quantumjob_worker.inputs.tasks import TaskSource
from quantumjob_worker.isolation.runner import Runner

LAST_WORDS_SECONDS: Final = 3.0
"""For what is stored after SIGTERM, or when the operator has stopped the order."""

log = logging.getLogger(__name__)


class OrderRun:
    """An order that is being carried out."""

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
        self._segments = SegmentWriter(order, client, http, self._made)
        self._shard: ShardRun | None = None
        self.stopped = False
        """SIGTERM came when all was computed: the order ends as it would, and the worker with it."""

    @property
    def computed(self) -> int:
        """Pubs that have their result or error from here."""
        return 0 if self._shard is None else self._shard.computed

    def run(self) -> str:
        """What there is to say at the end. Raises OrderFailed, WorkerExit and Stopped."""
        if self._segments.complete:
            return "An earlier attempt had stored everything."
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
                Exit.TEMPORARY, "The store refused a URL of the order: it expired, or its signer has new keys."
            ) from None
        except StoreError:
            self._save()
            raise OrderFailed(Exit.TEMPORARY, "The store could not be reached.") from None
        return "All pubs of the order have a result or an error, and are stored."

    def _made(self, simulated: str) -> Provenance:
        """The provenance of a segment. It says when Qiskit was imported: a segment of mere errors may come before."""
        self._runner.wait(self._heartbeat.tick)
        return self._provenance(simulated)

    def _program(self) -> Program:
        data = bytes(self._order.program)
        if data in (b"", b"null"):
            data = patiently(
                lambda: transfer.get(self._http, self._order.program_url, limits.MAX_PROGRAM_BYTES),
                time.monotonic() + FETCH_SECONDS,
                self._heartbeat.wait,
            )
        try:
            program = decode_program(data)
        except msgspec.MsgspecError:
            raise OrderFailed(
                Exit.BAD_PROGRAM, "The program cannot be read: operator and worker differ in version, or it is damaged."
            ) from None
        if program.uid != self._order.uid:
            raise OrderFailed(Exit.BAD_PROGRAM, "The program is of another QuantumJob than the order.")
        return program

    def _finish(self) -> None:
        """The last segment. All is computed by now, so a SIGTERM meanwhile only hurries it."""
        until = self._until if self._until is not None else time.monotonic() + STORE_SECONDS
        try:
            self._segments.finish(until=until, wait=self._heartbeat.wait)
        except Stopped:
            self.stopped = True
            self._segments.finish(until=time.monotonic() + LAST_WORDS_SECONDS, wait=time.sleep)

    def _save(self) -> None:
        """What is done as a numbered segment, if the store takes it soon."""
        self._runner.kill()
        if not self._segments.unstored or not self._runner.ready:  # before it was, nothing was computed
            return
        hasty = transfer.pool(self._order.store_ca, size=1, timeout=LAST_WORDS_SECONDS)
        try:
            stored = self._segments.flush(hasty)
        except StoreError:
            stored = False
        finally:
            hasty.clear()
        log.info("what was done is stored" if stored else "what was done could not be stored")
