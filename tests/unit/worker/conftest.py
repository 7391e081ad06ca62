"""Fixtures of the worker's tests: a fork server in a process of its own, and a tiny order endpoint with a store."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from worker_fakes import Fake, serving
from worker_tasks import ABOUT, InProcess

from quantumjob_worker import orders_client, shard, stores
from quantumjob_worker.loop import Worker
from quantumjob_worker.orders_client import OrdersClient
from quantumjob_worker.retirement import Retirement
from quantumjob_worker.runner import Runner

SERVER = """
import os, socket, sys
from quantumjob_worker import forkserver
control = socket.socket(fileno=int(sys.argv[1]))
forkserver._become_server(os.getppid(), control)
{patch}
forkserver._serve(control)
"""
"""The server as the worker has it, but in a new process: this one may already have threads."""

HOSTILE = """
from quantumjob_worker import child, protocol
from quantumjob_contract.results import PubMetadata, PubResult
def run(task, data):
    out = {}
    try:
        exec(data.decode(), out)
        trace = str(out.get("answer"))
    except BaseException as error:
        trace = f"{type(error).__name__}: {error}"
    result = PubResult(0, "", PubMetadata(0, 0))
    return protocol.Report(result=result, load=0.0, run=0.0, trace=trace)
child.run = run
"""
"""A child that does what its circuit says in Python, as if a parser had been taken over."""

MEMORY = 1 << 30


@contextmanager
def fork_server(patch: str = "") -> Iterator[Runner]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with (
        ours,
        subprocess.Popen(
            [sys.executable, "-c", SERVER.format(patch=patch), str(theirs.fileno())], pass_fds=[theirs.fileno()]
        ) as process,
    ):
        theirs.close()
        runner = Runner(ours, memory=MEMORY, threads=2)
        runner.pid = process.pid  # type: ignore[attr-defined]
        try:
            assert runner.imported
            yield runner
        finally:
            ours.close()  # the server takes this as its end
        assert process.wait(30) == 0


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
    for module in (orders_client, stores, shard):
        monkeypatch.setattr(module, "backoff", lambda *_: 0.0)
    monkeypatch.setattr(orders_client, "REFUSAL_PAUSE", 0.0)
    monkeypatch.setattr(stores.RETRIES, "total", 1)
    monkeypatch.setattr(stores.RETRIES, "backoff_factor", 0)


@pytest.fixture
def carry_out(fake: Fake, tmp_path: Path) -> Callable[..., Any]:
    token = tmp_path / "token"
    token.write_text("secret-token\n")

    def start(runner: InProcess | None = None, sleep: Callable[[float], None] = lambda _seconds: None) -> Any:
        client = OrdersClient(fake.url, "", str(token), sleep=sleep)
        return Worker(client, runner or InProcess(), ABOUT, {"aer": "1"}, Retirement([])).run()  # type: ignore[arg-type]

    return start
