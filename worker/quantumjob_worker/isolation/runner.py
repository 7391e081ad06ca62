"""The parent's side of the fork server: pubs in, their reports and the way their child ended out."""

from __future__ import annotations

import contextlib
import select
import signal
import socket
import time
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Final

import msgspec

from quantumjob_contract.exit_codes import Exit
from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.results import PubError
from quantumjob_worker import ipc
from quantumjob_worker.errors import WorkerExit
from quantumjob_worker.isolation.report_stream import OnReport, ReportParser

CHUNK: Final = 1 << 18
SERVER_KILLED: Final = "The process that starts pubs was killed, most likely for want of memory."
Tick = Callable[[], float | None]
"""Called while a child runs, or the fork server imports; returns in how many seconds it wants to be called again, or
None for never."""


class ServerGone(WorkerExit):
    """The fork server has ended, and its child with it."""


class Runner:
    """Runs pubs, in one child of the fork server at a time."""

    def __init__(self, control: socket.socket, *, memory: int, threads: int) -> None:
        self._control = control
        self._imported = ""
        self._used = self._warm = False
        self.memory = memory
        self.threads = threads

    @property
    def imported(self) -> str:
        """When the fork server was ready. Waits until it is."""
        self.wait(lambda: None)
        return self._imported

    @property
    def ready(self) -> bool:
        """Whether the fork server is known to be ready: no child has run before."""
        return bool(self._imported)

    def wait(self, tick: Tick) -> None:
        """Until the fork server is ready. Whatever error a tick raises, it goes on and can be waited for again."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        seconds: float | None = 0.0
        while not self._imported:  # a tick may wait, too
            if poll.poll(None if seconds is None else max(0.0, seconds) * 1000):
                self._receive_ready()
            else:
                seconds = tick()

    def _receive_ready(self) -> None:
        message = self._message()
        if not isinstance(message, ipc.ServerReady):
            raise WorkerExit(Exit.INTERNAL, "The fork server did not say that it is ready.")
        self._imported = message.imported

    def run(
        self, task: ipc.Task, circuit: bytes, seconds: float | None, tick: Tick
    ) -> tuple[ipc.Report | None, ipc.ChildExit]:
        """One pub in a child of its own: its report, None where there is none that can be read, and how it ended."""
        reports: list[ipc.Report] = []
        end = self.run_together([(task, circuit)], seconds, tick, reports.append)
        return (reports[0] if reports else None), end

    def run_together(
        self, pubs: Sequence[tuple[ipc.Task, bytes]], seconds: float | None, tick: Tick, on_report: OnReport
    ) -> ipc.ChildExit:
        """Runs pubs one after the other in one child. Calls `on_report` for each report as it arrives."""
        self.wait(tick)
        if self._used:
            self.warm_up()
        self._used = True
        ours, theirs = socket.socketpair()
        with ours:
            formats = sorted({task.format for task, _ in pubs})
            start = ipc.ForkRequest(seconds=seconds, memory=self.memory, threads=self.threads, formats=formats)
            with theirs:
                self._send_start(msgspec.json.encode(start), theirs.fileno())
            with contextlib.suppress(ConnectionError):  # it may die while we still talk
                blocks = chain.from_iterable((msgspec.json.encode(task), circuit) for task, circuit in pubs)
                ours.sendall(ipc.pack(*blocks))
                ours.shutdown(socket.SHUT_WR)
            return self._listen(ours, len(pubs), tick, on_report)

    def warm_up(self) -> None:
        """Have the fork server do once what each child does again. For when it has time, or more than one to start."""
        if not self._warm:
            self._warm = True
            with contextlib.suppress(OSError):  # gone, as the next start finds out
                self._control.send(ipc.WARM_UP)

    def kill(self) -> None:
        """End the running child, if there is one."""
        with contextlib.suppress(OSError):
            self._control.send(ipc.KILL)

    def _send_start(self, packet: bytes, fd: int) -> None:
        try:
            socket.send_fds(self._control, [packet], [fd])
        except OSError:
            raise ServerGone(Exit.TEMPORARY, SERVER_KILLED) from None

    def _listen(self, ours: socket.socket, pubs: int, tick: Tick, on_report: OnReport) -> ipc.ChildExit:
        """Whatever error `tick` or `on_report` raises, the child is gone by then, and its end has been heard."""
        poll = select.poll()
        poll.register(ours, select.POLLIN)
        poll.register(self._control, select.POLLIN)
        reports = ReportParser(pubs, on_report)
        end: ipc.ChildExit | None = None
        try:
            wake = _later(tick())
            while end is None:
                ready = dict(poll.poll(None if wake is None else max(0.0, wake - time.monotonic()) * 1000))
                if ours.fileno() in ready and not self._read(ours, reports):
                    poll.unregister(ours)
                if self._control.fileno() in ready:
                    message = self._message()
                    end = message if isinstance(message, ipc.ChildExit) else None
                if wake is not None and time.monotonic() >= wake:
                    wake = _later(tick())
        except ServerGone:
            raise
        except Exception:
            self.kill()
            while end is None and not isinstance(self._message(), ipc.ChildExit):
                pass
            raise
        ours.setblocking(False)
        with contextlib.suppress(BlockingIOError):  # a grandchild may still hold the other end
            while self._read(ours, reports):
                pass
        return end

    def _read(self, ours: socket.socket, reports: ReportParser) -> bool:
        """Whether there may be more."""
        try:
            chunk = ours.recv(CHUNK)
        except ConnectionError:
            return False
        if not reports.take(chunk):
            self.kill()
            return False
        return bool(chunk)

    def _message(self) -> ipc.ServerReady | ipc.ChildExit:
        packet = b""
        with contextlib.suppress(ConnectionError):
            try:
                packet = self._control.recv(ipc.MAX_PACKET)
            except ConnectionResetError:  # it left something unread; what it said before is still here
                packet = self._control.recv(ipc.MAX_PACKET)
        if not packet:
            raise ServerGone(Exit.TEMPORARY, SERVER_KILLED)
        message = msgspec.json.decode(packet, type=ipc.ServerReady | ipc.ChildExit | ipc.ServerFailed)
        if isinstance(message, ipc.ServerFailed):
            raise ServerGone(Exit.INTERNAL, message.message)
        return message


def _later(seconds: float | None) -> float | None:
    return None if seconds is None else time.monotonic() + max(0.0, seconds)


def explain(end: ipc.ChildExit, memory: int, parse_seconds: float) -> PubError:
    """The error of a pub whose child ended without a report (a deadline is the caller's to explain)."""
    mib = memory >> 20
    if end.signal == signal.SIGXCPU:
        return PubError(
            PubReason.DEADLINE_EXCEEDED,
            f"The circuit was not parsed and made ready in {parse_seconds:g} s of CPU time. Make it smaller, "
            "or write it as OpenQASM 2 or QPY, which load faster than OpenQASM 3.",
        )
    if end.signal == signal.SIGKILL or (end.signal and end.peak > memory * 0.8):
        return PubError(
            PubReason.MEMORY_LIMIT,
            f"The pod's memory limit leaves {mib} MiB for one pub, and this pub ran out of it. "
            "Raise spec.resources.limits.memory.",
        )
    if not end.signal:
        return PubError(PubReason.CRASHED, "The process that ran this pub ended without an answer.")
    return PubError(
        PubReason.CRASHED,
        f"The process that ran this pub was ended by {_signal_name(end.signal)}. The circuit makes Qiskit or Aer "
        "crash; other pubs are not touched.",
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
