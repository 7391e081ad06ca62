"""The fork server: a process with one thread that imports Qiskit once and forks a child for each batch of pubs.

It is forked from the parent before the parent opens a connection or reads a token, so it holds no secrets.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, Protocol

import msgspec

from quantumjob_contract.schema.program import Format
from quantumjob_worker import ipc
from quantumjob_worker.clock import now
from quantumjob_worker.errors import INTERNAL_ERROR, InternalError
from quantumjob_worker.isolation import limits
from quantumjob_worker.isolation.scratch_dir import ScratchDir

STOP_SECONDS: Final = 1.0
CHANNEL: Final = 3
"""The child's descriptor of the socket to the parent."""
ENVIRONMENT: Final = {
    "OPENBLAS_NUM_THREADS": "1",  # threads of a BLAS pool do not survive the fork, and a child would wait for them
    "MKL_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",  # spinning beside another busy process is up to 15 times slower
    "MIMALLOC_ARENA_RESERVE": "32MiB",  # Qiskit's Rust would reserve a GiB, outside of the children's limits
    "QISKIT_PARALLEL": "FALSE",
    "QISKIT_IGNORE_USER_SETTINGS": "TRUE",
    "LANG": "C.UTF-8",
}


class Child(Protocol):
    """The module that runs in a forked child, and its functions that the fork server calls before the fork."""

    def smoke_test(self) -> None: ...

    def warm_up(self) -> None: ...

    def import_parsers(self, formats: Iterable[Format]) -> None: ...

    def main(self, channel: int, start: ipc.ForkRequest, scratch: ScratchDir) -> None: ...


def start(load_child: Callable[[], Child]) -> tuple[int, socket.socket]:
    """Forks the server. Returns its PID and the control socket. The caller must be single-threaded.

    `load_child` imports the child's module, and with it Qiskit, in the server's process.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    parent = os.getpid()
    pid = os.fork()
    if pid:
        theirs.close()
        return pid, ours
    code = 1
    try:
        ours.close()
        _setup_server(parent, theirs)
        _serve(theirs, load_child)
        code = 0
    except BaseException:  # noqa: BLE001  this process must never return into the parent's code
        traceback.print_exc()
    finally:
        os._exit(code)


def stop(pid: int, control: socket.socket) -> None:
    """Stops the server and its child. Waits up to STOP_SECONDS, so that the server removes its scratch directory."""
    control.close()
    with contextlib.suppress(ProcessLookupError):
        watch = os.pidfd_open(pid)
        select.select([watch], [], [], STOP_SECONDS)
        os.close(watch)


def _setup_server(parent: int, control: socket.socket) -> None:
    limits.die_with_parent(parent)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # the parent decides, by closing the socket
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    limits.redirect_to_null(0)
    limits.keep_only(control.fileno())
    limits.forget_environment()
    os.environ.update(ENVIRONMENT)


def _serve(control: socket.socket, load_child: Callable[[], Child]) -> None:
    scratch = ScratchDir()
    try:
        with _frozen_heap():
            child = load_child()
            child.smoke_test()
        control.send(msgspec.json.encode(ipc.ServerReady(imported=now())))
        while True:
            packet, fds, _, _ = socket.recv_fds(control, ipc.MAX_PACKET, 1)
            if not packet:
                return
            if packet == ipc.WARM_UP:
                _warm_up(child)
            elif fds:  # else it is KILL for a child that has exited already
                _run_child(child, control, msgspec.json.decode(packet, type=ipc.ForkRequest), fds[0], scratch)
    except (OSError, MemoryError):
        raise  # temporary: the Job starts another pod
    except Exception as error:
        what = str(error) if isinstance(error, InternalError) else INTERNAL_ERROR
        with contextlib.suppress(OSError):  # the parent has exited
            control.send(msgspec.json.encode(ipc.ServerFailed(what)))
        raise
    finally:
        scratch.remove()


def _warm_up(child: Child) -> None:
    """Warms up, which is never needed: a failure is only logged."""
    try:
        with _frozen_heap():
            child.warm_up()
    except Exception:  # noqa: BLE001  a pub that fails for the same reason reports it
        traceback.print_exc()


@contextlib.contextmanager
def _frozen_heap() -> Iterator[None]:
    """Excludes objects created here from garbage collection: a collection in a child would copy their memory.

    Does not collect garbage first: that takes longer than a pub, and there is little.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _check_single_threaded() -> None:
    """Raises InternalError if there is a second thread: a lock that it holds would stay locked in a child."""
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads != 1:
        raise InternalError(f"The fork server has {threads} threads, but must have one.")


def _run_child(child: Child, control: socket.socket, start: ipc.ForkRequest, fd: int, scratch: ScratchDir) -> None:
    child.import_parsers(start.formats)
    _check_single_threaded()
    server = os.getpid()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.dup2(fd, CHANNEL)
            limits.keep_only(CHANNEL, *scratch.descriptors)
            limits.die_with_parent(server)
            child.main(CHANNEL, start, scratch)
            code = 0
        finally:
            os._exit(code)
    os.close(fd)
    timed_out = _wait(control, pid, start.seconds)
    for stop in (os.killpg, os.kill):  # the process group first: the child may have started processes
        with contextlib.suppress(ProcessLookupError, PermissionError):
            stop(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    scratch.reset()
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    end = ipc.ChildExit(signal=number, timed_out=timed_out, peak=usage.ru_maxrss * 1024)
    with contextlib.suppress(OSError):  # the parent has exited; the next receive returns nothing
        control.send(msgspec.json.encode(end))


def _wait(control: socket.socket, pid: int, seconds: float | None) -> bool:
    """Waits until the child exits, KILL is received, or time is up. Returns True in the last case."""
    watch = os.pidfd_open(pid)
    deadline = None if seconds is None else time.monotonic() + seconds
    try:
        poll = select.poll()
        poll.register(watch, select.POLLIN)
        poll.register(control, select.POLLIN)
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
            ready = dict(poll.poll(left))
            if watch in ready:
                return False
            if not ready:
                return True
            control.recv(ipc.MAX_PACKET)  # KILL, or the end of the stream because the parent has exited
            return False
    finally:
        os.close(watch)
