"""Fork servers in processes of their own."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from quantumjob_worker.isolation.runner import Runner

SERVER = """
import importlib, os, socket, sys
from quantumjob_worker.isolation import fork_server
control = socket.socket(fileno=int(sys.argv[1]))
fork_server._setup_server(os.getppid(), control)
{patch}
fork_server._serve(control, lambda: importlib.import_module("quantumjob_worker.child"))
"""
"""The server as the worker has it, but in a new process: this one may already have threads."""

HOSTILE = """
from quantumjob_worker import child
from quantumjob_worker import ipc
from quantumjob_contract.schema.results import PubMetadata, PubResult
def run(task, data):
    out = {}
    try:
        exec(data.decode(), out)
        trace = str(out.get("answer"))
    except BaseException as error:
        trace = f"{type(error).__name__}: {error}"
    result = PubResult(0, "", PubMetadata(0, 0))
    return ipc.PubReport(result=result, load=0.0, run=0.0, trace=trace)
child.run = run
"""
"""A child that does what its circuit says in Python, as if a parser had been taken over."""

MEMORY = 1 << 30


@contextmanager
def fork_server(patch: str = "", code: int = 0) -> Iterator[Runner]:
    """`code` is what it is to exit with."""
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
        assert process.wait(30) == code
