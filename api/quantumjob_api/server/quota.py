"""Bounds on what requests take together: memory above all."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

from quantumjob_api.problems import ApiProblem, ProblemReason


class NamespaceQuota:
    """So much at a time, of which one namespace has a part at most; and no queue."""

    def __init__(self, total: int, each: int) -> None:
        self._left = total
        self._each = each
        self._taken: Counter[str] = Counter()

    @contextlib.contextmanager
    def take(self, namespace: str, amount: int = 1, headers: dict[str, str] | None = None) -> Iterator[None]:
        """Raises Problem where so much is not left. What is more than a namespace's part has that part."""
        amount = min(amount, self._each)
        if amount > self._left or amount > self._each - self._taken[namespace]:
            raise ApiProblem(ProblemReason.BUSY, "Too many requests of this kind at this moment: try again.", headers)
        self._left -= amount
        self._taken[namespace] += amount
        try:
            yield
        finally:
            self._left += amount
            self._taken[namespace] -= amount
            if not self._taken[namespace]:
                del self._taken[namespace]
