"""Signs of life of an order that takes long. The answer may be that it shall stop."""

from __future__ import annotations

import time
from collections.abc import Callable

from quantumjob_contract.exit_codes import Exit
from quantumjob_contract.schema.orders import ALIVE_SECONDS, HeartbeatRequest, Order
from quantumjob_worker.clients.orders import OrdersClient
from quantumjob_worker.errors import OrderFailed


class Heartbeat:
    """Made when the order is received, called in whatever takes long."""

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
        """Give a sign if it is time; in how many seconds the next one is due. Raises OrderFailed when told to stop."""
        if self._clock() >= self._due:
            told = self._client.alive(self._order, HeartbeatRequest(done=self.done, total=self.total))
            self._due = self._clock() + ALIVE_SECONDS
            if told.stop:
                raise OrderFailed(Exit.TEMPORARY, "The operator stopped this order.")
        return max(0.0, self._due - self._clock())

    def wait(self, seconds: float) -> None:
        """Sleep, and give signs meanwhile. Raises OrderFailed when told to stop."""
        until = self._clock() + seconds
        due = self.tick()
        while (left := until - self._clock()) > 0:
            self._sleep(min(left, due))
            due = self.tick()
