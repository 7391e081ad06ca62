"""The fork server: one thread, no secrets. Imports Qiskit once and forks a child for each pub.

It is forked from the parent before that has opened a connection or read a token, so there is nothing to take from it.
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
    "OPENBLAS_NUM_THREADS": "1",  # a BLAS pool started here would be gone, and waited for, in the children
    "MKL_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",  # spinning next to a busy neighbour is up to 15 times slower
    "MIMALLOC_ARENA_RESERVE": "32MiB",  # Qiskit's Rust: a GiB of its own would be beyond each child's limit
    "QISKIT_PARALLEL": "FALSE",
    "QISKIT_IGNORE_USER_SETTINGS": "TRUE",
    "LANG": "C.UTF-8",
}


class Child(Protocol):
    """Describes the module that runs in a forked child, and what of it the fork server calls before it forks."""

    def smoke_test(self) -> None: ...

    def warm_up(self) -> None: ...

    def import_parsers(self, formats: Iterable[Format]) -> None: ...

    def main(self, channel: int, start: ipc.ForkRequest, scratch: ScratchDir) -> None: ...


def start(load_child: Callable[[], Child]) -> tuple[int, socket.socket]:
    """Forks the server and returns its PID and the control socket. The caller must still be single-threaded.

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
        _become_server(parent, theirs)
        _serve(theirs, load_child)
        code = 0
    except BaseException:  # noqa: BLE001  whatever it is, this process must not return into the parent's code
        traceback.print_exc()
    finally:
        os._exit(code)


def stop(pid: int, control: socket.socket) -> None:
    """The server's end, and its child's. Gives it a moment to tidy up before the kernel ends it with this process."""
    control.close()
    with contextlib.suppress(ProcessLookupError):
        watch = os.pidfd_open(pid)
        select.select([watch], [], [], STOP_SECONDS)
        os.close(watch)


def _become_server(parent: int, control: socket.socket) -> None:
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
            elif fds:  # else it is KILL, of a child that was already gone
                _run_child(child, control, msgspec.json.decode(packet, type=ipc.ForkRequest), fds[0], scratch)
    except (OSError, MemoryError):
        raise  # another pod may have better luck
    except Exception as error:
        what = str(error) if isinstance(error, InternalError) else INTERNAL_ERROR
        with contextlib.suppress(OSError):  # the parent is gone, which is then what failed
            control.send(msgspec.json.encode(ipc.ServerFailed(what)))
        raise
    finally:
        scratch.remove()


def _warm_up(child: Child) -> None:
    """Not before the first child: a worker that has no more than one pub does without, and so can all others."""
    try:
        with _frozen_heap():
            child.warm_up()
    except Exception:  # noqa: BLE001  the pub that it fails with, if there is one, says so itself
        traceback.print_exc()


@contextlib.contextmanager
def _frozen_heap() -> Iterator[None]:
    """What is made here stays: no child is to touch it, as its memory would then be copied.

    With the little garbage there is: to look for it in all that was imported takes longer than a pub.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _check_single_threaded() -> None:
    """A fork copies only the thread that calls it: a lock of another would never be given back."""
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads != 1:
        raise InternalError(f"The process that starts pubs has {threads} threads; it must have one.")


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
    for stop in (os.killpg, os.kill):  # the group first: it may have children of its own
        with contextlib.suppress(ProcessLookupError, PermissionError):
            stop(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    scratch.reset()
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    end = ipc.ChildExit(signal=number, timed_out=timed_out, peak=usage.ru_maxrss * 1024)
    with contextlib.suppress(OSError):  # the parent is gone, which the caller hears next
        control.send(msgspec.json.encode(end))


def _wait(control: socket.socket, pid: int, seconds: float | None) -> bool:
    """Until the child has ended, is told to, or is out of time. True for the last."""
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
            control.recv(ipc.MAX_PACKET)  # KILL, or nothing more: the parent is gone, and so the child goes too
            return False
    finally:
        os.close(watch)
