"""Fixtures of the worker's tests: a fork server in a process of its own, and a tiny order endpoint with a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from worker_fakes import Fake, serving
from worker_servers import HOSTILE, fork_server
from worker_tasks import ABOUT, InProcess

from quantumjob_contract import limits, transfer
from quantumjob_worker.agent import shard_run
from quantumjob_worker.agent.recycling import RecyclingPolicy
from quantumjob_worker.agent.worker import Worker
from quantumjob_worker.clients import object_store, orders
from quantumjob_worker.clients.orders import OrdersClient
from quantumjob_worker.isolation.runner import Runner
from quantumjob_worker.routing import router


@pytest.fixture(scope="session")
def runner() -> Iterator[Runner]:
    with fork_server() as started:
        yield started


@pytest.fixture(scope="session")
def hostile() -> Iterator[Runner]:
    with fork_server(HOSTILE) as started:
        yield started


@pytest.fixture
def fake() -> Iterator[Fake]:
    with serving() as started:
        yield started


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting between attempts, and a transfer that tries only twice."""
    for module in (orders, object_store, shard_run):
        monkeypatch.setattr(module, "backoff", lambda *_: 0.0)
    monkeypatch.setattr(orders, "REFUSAL_PAUSE", 0.0)
    monkeypatch.setattr(transfer.RETRIES, "total", 1)
    monkeypatch.setattr(transfer.RETRIES, "backoff_factor", 0)


@pytest.fixture
def each_pub_a_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SEGMENT_BYTES", 1)


@pytest.fixture(scope="module")
def nothing_is_quick() -> Iterator[None]:
    """Lets the fastest engine run circuits that Aer would keep because they are quick."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(router, "AER_SECONDS", -1.0)
        yield


@pytest.fixture
def carry_out(fake: Fake, tmp_path: Path) -> Callable[..., Any]:
    token = tmp_path / "token"
    token.write_text("secret-token\n")

    def start(runner: InProcess | None = None, sleep: Callable[[float], None] = lambda _seconds: None) -> Any:
        client = OrdersClient(fake.url, "", str(token), sleep=sleep)
        return Worker(client, runner or InProcess(), ABOUT, {"aer": "1"}, RecyclingPolicy([])).run()  # type: ignore[arg-type]

    return start
