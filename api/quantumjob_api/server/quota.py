"""Limits what requests use together, memory above all, in all and per namespace."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

from quantumjob_api.problems import ApiProblem, ApiReason


class NamespaceQuota:
    """A semaphore with a share per namespace. Rejects instead of queueing."""

    def __init__(self, total: int, per_namespace: int) -> None:
        self._left = total
        self._share = per_namespace
        self._taken: Counter[str] = Counter()

    @contextlib.contextmanager
    def take(self, namespace: str, amount: int = 1, headers: dict[str, str] | None = None) -> Iterator[None]:
        """Takes an amount while the block runs; an amount above a namespace's share counts as that share.

        Raises ApiProblem (Busy) if the total or the share is used up.
        """
        amount = min(amount, self._share)
        if amount > self._left or amount > self._share - self._taken[namespace]:
            raise ApiProblem(ApiReason.BUSY, "Too many requests of this kind: try again later.", headers)
        self._left -= amount
        self._taken[namespace] += amount
        try:
            yield
        finally:
            self._left += amount
            self._taken[namespace] -= amount
            if not self._taken[namespace]:
                del self._taken[namespace]
