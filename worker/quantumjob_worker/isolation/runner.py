"""The parent's side of the fork server: sends pubs to a child, receives reports and how the child ended."""

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
SERVER_KILLED: Final = "The fork server was killed, most likely out of memory."
Tick = Callable[[], float | None]
"""Called while a child runs or the fork server imports Qiskit. Returns the seconds until the next call, None for never.
"""


class ServerGone(WorkerExit):
    """The fork server has exited, and its child too."""


class Runner:
    """Runs pubs in children of the fork server, one child at a time."""

    def __init__(self, control: socket.socket, *, memory: int, threads: int) -> None:
        self._control = control
        self._imported = ""
        self._used = self._warm = False
        self.memory = memory
        self.threads = threads

    @property
    def imported(self) -> str:
        """The time when Qiskit had been imported. Waits for it."""
        self.wait(lambda: None)
        return self._imported

    @property
    def ready(self) -> bool:
        """Whether the fork server has reported that it is ready. No child runs before."""
        return bool(self._imported)

    def wait(self, tick: Tick) -> None:
        """Waits until the fork server is ready. Can be called again after `tick` has raised."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        seconds: float | None = 0.0
        while not self._imported:  # tick may call wait() itself
            if poll.poll(None if seconds is None else max(0.0, seconds) * 1000):
                self._receive_ready()
            else:
                seconds = tick()

    def _receive_ready(self) -> None:
        message = self._message()
        if not isinstance(message, ipc.ServerReady):
            raise WorkerExit(Exit.INTERNAL, "The fork server sent another message before it was ready.")
        self._imported = message.imported

    def run(
        self, task: ipc.Task, circuit: bytes, seconds: float | None, tick: Tick
    ) -> tuple[ipc.PubReport | None, ipc.ChildExit]:
        """Runs one pub in a child. Returns its report, None without a readable one, and how the child ended."""
        reports: list[ipc.PubReport] = []
        end = self.run_batch([(task, circuit)], seconds, tick, reports.append)
        return (reports[0] if reports else None), end

    def run_batch(
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
            with contextlib.suppress(ConnectionError):  # the child may die before it has read everything
                blocks = chain.from_iterable((msgspec.json.encode(task), circuit) for task, circuit in pubs)
                ours.sendall(ipc.pack(*blocks))
                ours.shutdown(socket.SHUT_WR)
            return self._listen(ours, len(pubs), tick, on_report)

    def warm_up(self) -> None:
        """Asks the fork server to warm up, once. Called when the worker is idle, or before the second child."""
        if not self._warm:
            self._warm = True
            with contextlib.suppress(OSError):  # it has exited; the next start reports that
                self._control.send(ipc.WARM_UP)

    def kill(self) -> None:
        """Kills the running child, if there is one."""
        with contextlib.suppress(OSError):
            self._control.send(ipc.KILL)

    def _send_start(self, packet: bytes, fd: int) -> None:
        try:
            socket.send_fds(self._control, [packet], [fd])
        except OSError:
            raise ServerGone(Exit.TEMPORARY, SERVER_KILLED) from None

    def _listen(self, ours: socket.socket, pubs: int, tick: Tick, on_report: OnReport) -> ipc.ChildExit:
        """Receives until the child exits. If `tick` or `on_report` raises, kills the child and waits for its exit."""
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
        with contextlib.suppress(BlockingIOError):  # a grandchild may hold the other end open
            while self._read(ours, reports):
                pass
        return end

    def _read(self, ours: socket.socket, reports: ReportParser) -> bool:
        """Reads once. Returns False at the end of the stream or after invalid input."""
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
            except ConnectionResetError:  # the server left packets unread; its own are still here
                packet = self._control.recv(ipc.MAX_PACKET)
        if not packet:
            raise ServerGone(Exit.TEMPORARY, SERVER_KILLED)
        message = msgspec.json.decode(packet, type=ipc.ServerReady | ipc.ChildExit | ipc.ServerFailed)
        if isinstance(message, ipc.ServerFailed):
            raise ServerGone(Exit.INTERNAL, message.message)
        return message


def _later(seconds: float | None) -> float | None:
    return None if seconds is None else time.monotonic() + max(0.0, seconds)


def child_error(end: ipc.ChildExit, memory: int, parse_seconds: float) -> PubError:
    """Returns the error of a pub whose child ended without a report and before its deadline."""
    mib = memory >> 20
    if end.signal == signal.SIGXCPU:
        return PubError(
            PubReason.DEADLINE_EXCEEDED,
            f"Loading the circuit took more than {parse_seconds:g} s of CPU time. Use a smaller circuit, or "
            "OpenQASM 2 or QPY, which load faster than OpenQASM 3.",
        )
    if end.signal == signal.SIGKILL or (end.signal and end.peak > memory * 0.8):
        return PubError(
            PubReason.MEMORY_LIMIT,
            f"The pod's memory limit leaves {mib} MiB for one pub, and this pub ran out of it. "
            "Raise spec.resources.limits.memory.",
        )
    if not end.signal:
        return PubError(
            PubReason.CRASHED,
            "The process that ran this pub exited without a result. Report this as a bug of the worker.",
        )
    return PubError(
        PubReason.CRASHED,
        f"The circuit makes Qiskit or Aer crash with {_signal_name(end.signal)}. Other pubs are not affected.",
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
