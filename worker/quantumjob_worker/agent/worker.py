"""The worker's life: one order after the other, until there is none."""

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
    """Asks for orders and carries them out. A dedicated worker has one, and ends as it ends."""

    def __init__(
        self,
        client: OrdersClient,
        runner: Runner,
        about: Mapping[str, str],
        versions: dict[str, str],
        recycling: RecyclingPolicy,
    ) -> None:
        self._client = client
        self._runner = runner
        self._about = about
        """Sandbox, pod and time of start, for the provenance."""
        self._versions = versions
        self._recycling = recycling
        self._pools = Pools()

    def run(self) -> Termination:
        """Until there is no order any more. Raises WorkerExit, and Stopped where that left something undone."""
        order = self._client.next_order()
        orders = 0
        while order is not None:
            ended, message, last = self._carry_out(order)
            orders += 1
            if last:
                return self._end_as(ended, message)
            try:
                order = self._next(ended)
            except Stopped:
                self._client.leave(ended)
                order = None
        return Termination("Done", f"This worker has had {orders} orders.")

    def _next(self, ended: EndedOrder) -> Order | None:
        reason = self._recycling.reason()
        if reason:
            log.info("the worker takes no other order", extra={"reason": reason})
        else:
            self._runner.warm_up()
        return self._client.next_order(ended, leaving=bool(reason))

    def _end_as(self, ended: EndedOrder, message: str) -> Termination:
        self._client.leave(ended)
        if ended.code != Exit.DONE:
            raise WorkerExit(Exit(ended.code), ended.message)
        return Termination("Done", message)

    def _carry_out(self, order: Order) -> tuple[EndedOrder, str, bool]:
        """How it ended, what there is to say, and whether the worker ends with it.

        Raises Stopped, and WorkerExit or a defect after telling of it.
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
            self._client.leave(ended(end.code, end.message))
            raise
        except Exception:
            self._client.leave(ended(Exit.INTERNAL, INTERNAL_ERROR))
            raise
        log.info("order done", extra={**which, "pubs": run.computed})
        return ended(Exit.DONE), message, order.only or run.stopped

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
