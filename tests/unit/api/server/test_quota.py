"""Quotas with a share per namespace."""

from __future__ import annotations

import pytest

from quantumjob_api.problems import ApiProblem
from quantumjob_api.server.quota import NamespaceQuota


def test_a_quota_rejects_above_the_total_and_the_share_of_a_namespace() -> None:
    room = NamespaceQuota(10, 6)

    def busy(namespace: str, amount: int) -> bool:
        with pytest.raises(ApiProblem) as caught, room.take(namespace, amount):
            pass
        return caught.value.status == 503

    with room.take("a", 4):
        assert busy("a", 3), "its part"
        with room.take("a", 2), room.take("b", 4):
            assert busy("b", 1), "all there is"
        with room.take("b", 99), room.take("c", 0):
            assert busy("c", 1), "what is more than a part has a part"
    with room.take("a", 6):
        pass
