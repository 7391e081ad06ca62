"""Sends heartbeats of a running order. The operator's answer may stop it."""

from __future__ import annotations

import time
from collections.abc import Callable

from quantumjob_contract.exit_codes import Exit
from quantumjob_contract.schema.orders import ALIVE_SECONDS, HeartbeatRequest, Order
from quantumjob_worker.clients.orders import OrdersClient
from quantumjob_worker.errors import OrderFailed


class Heartbeat:
    """Heartbeat of one order, created when it is received. `tick` is called during every long step."""

    def __init__(
        self,
        client: OrdersClient,
        order: Order,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._order = order
        self._clock = clock
        self._sleep = sleep
        self._due = clock() + ALIVE_SECONDS
        self.done = 0
        self.total = 0

    def tick(self) -> float:
        """Sends a heartbeat if one is due. Returns the seconds until the next. Raises OrderFailed if stopped."""
        if self._clock() >= self._due:
            answer = self._client.alive(self._order, HeartbeatRequest(done=self.done, total=self.total))
            self._due = self._clock() + ALIVE_SECONDS
            if answer.stop:
                raise OrderFailed(Exit.TEMPORARY, "The operator stopped this order.")
        return max(0.0, self._due - self._clock())

    def wait(self, seconds: float) -> None:
        """Sleeps, and sends heartbeats meanwhile. Raises OrderFailed if stopped."""
        until = self._clock() + seconds
        due = self.tick()
        while (left := until - self._clock()) > 0:
            self._sleep(min(left, due))
            due = self.tick()
