"""The worker's main loop: requests an order, runs it, and reports how it ended, until there are no more orders."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial

from quantumjob_contract.exit_codes import Exit
from quantumjob_contract.schema.orders import EndedOrder, Order
from quantumjob_contract.schema.results import Provenance, Termination
from quantumjob_worker.agent.order import OrderRun
from quantumjob_worker.agent.recycling import RecyclingPolicy
from quantumjob_worker.clients.object_store import Pools
from quantumjob_worker.clients.orders import OrdersClient
from quantumjob_worker.clock import now
from quantumjob_worker.errors import INTERNAL_ERROR, OrderFailed, Stopped, WorkerExit
from quantumjob_worker.isolation.runner import Runner

log = logging.getLogger(__name__)


class Worker:
    """Requests and runs orders. A dedicated worker runs one, and exits with its exit code."""

    def __init__(
        self,
        client: OrdersClient,
        runner: Runner,
        origin: Mapping[str, str],
        versions: dict[str, str],
        recycling: RecyclingPolicy,
    ) -> None:
        self._client = client
        self._runner = runner
        self._origin = origin
        """Sandbox, pod and start time, for provenance."""
        self._versions = versions
        self._recycling = recycling
        self._pools = Pools()

    def run(self) -> Termination:
        """Runs orders until there are none. Raises WorkerExit, and Stopped if SIGTERM interrupted an order."""
        order = self._client.next_order()
        orders = 0
        while order is not None:
            ended, message, last = self._run_order(order)
            orders += 1
            if last:
                return self._end_as(ended, message)
            try:
                order = self._next(ended)
            except Stopped:
                self._client.report_end(ended)
                order = None
        return Termination("Done", f"This worker ran {orders} orders.")

    def _next(self, ended: EndedOrder) -> Order | None:
        reason = self._recycling.reason()
        if reason:
            log.info("the worker exits after this order", extra={"reason": reason})
        else:
            self._runner.warm_up()
        return self._client.next_order(ended, leaving=bool(reason))

    def _end_as(self, ended: EndedOrder, message: str) -> Termination:
        self._client.report_end(ended)
        if ended.code != Exit.DONE:
            raise WorkerExit(Exit(ended.code), ended.message)
        return Termination("Done", message)

    def _run_order(self, order: Order) -> tuple[EndedOrder, str, bool]:
        """Returns how the order ended, the termination message, and whether the worker exits now.

        Raises Stopped; reports WorkerExit and unexpected exceptions to the operator, then raises them.
        """
        which = {"uid": order.uid, "shard": order.shard}
        log.info("order received", extra=which)
        run = OrderRun(
            order, self._client, self._runner, self._pools.of(order.store_ca), partial(self._provenance, now())
        )

        def ended(code: Exit, message: str = "") -> EndedOrder:
            return EndedOrder(order.uid, order.shard, int(code), message, run.computed)

        try:
            message = run.run()
        except OrderFailed as failed:
            log.warning("order failed", extra={**which, "exit": int(failed.code), "detail": failed.message})
            return ended(failed.code, failed.message), failed.message, order.only or run.stopped
        except WorkerExit as end:
            self._client.report_end(ended(end.code, end.message))
            raise
        except Exception:
            self._client.report_end(ended(Exit.INTERNAL, INTERNAL_ERROR))
            raise
        log.info("order done", extra={**which, "pubs": run.computed})
        return ended(Exit.DONE), message, order.only or run.stopped

    def _provenance(self, ordered: str, simulated: str) -> Provenance:
        return Provenance(
            versions=self._versions,
            sandbox=self._origin["sandbox"],
            threads=self._runner.threads,
            memory_bytes=self._runner.memory,
            pod=self._origin["pod"],
            started=self._origin["started"],
            imported=self._runner.imported,
            ordered=ordered,
            simulated=simulated,
        )
