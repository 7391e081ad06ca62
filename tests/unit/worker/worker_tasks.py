"""Short ways to run a circuit in the worker's code, for its tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quantumjob_contract.schema.program import Format
from quantumjob_contract.schema.results import PubError, Register
from quantumjob_worker import child, ipc
from quantumjob_worker.isolation.runner import Runner

DIED = ipc.ChildExit(signal=11, timed_out=False, peak=0)
LATE = ipc.ChildExit(signal=9, timed_out=True, peak=0)
FINE = ipc.ChildExit(signal=0, timed_out=False, peak=0)
ABOUT = {"sandbox": "landlock-7", "pod": "pod-1", "started": "2026-01-01T00:00:00Z"}

HEAD2 = 'OPENQASM 2.0;\ninclude "qelib1.inc";\n'
HEAD3 = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n'


def task(
    format_: Format = "OpenQASM2", *, shots: int = 100, seed: int = 7, memory: int = 1 << 30, parse: float = 30.0
) -> ipc.Task:
    return ipc.Task(
        index=0, name="p", format=format_, shots=shots, seed=seed, threads=2, memory=memory, parse_seconds=parse
    )


def run(source: str | bytes, format_: Format = "OpenQASM2", **options: int) -> ipc.PubReport:
    """In this process: for circuits that do no harm."""
    return child.run(task(format_, **options), source.encode() if isinstance(source, str) else source)


def counts(source: str | bytes, format_: Format = "OpenQASM2", **options: int) -> dict[str, dict[str, int] | None]:
    report = run(source, format_, **options)
    assert report.result.data is not None, (report.result.error, report.trace)
    return {name: register.counts for name, register in report.result.data.items()}


def error(source: str | bytes, format_: Format = "OpenQASM2", **options: int) -> PubError:
    found = run(source, format_, **options).result.error
    assert found is not None
    return found


def in_child(
    runner: Runner,
    source: str | bytes,
    format_: Format = "OpenQASM2",
    *,
    seconds: float | None = 60,
    parse: float = 30.0,
) -> tuple[ipc.PubReport | None, ipc.ChildExit]:
    data = source.encode() if isinstance(source, str) else source
    return runner.run(task(format_, parse=parse, memory=runner.memory), data, seconds, lambda: None)


def only(registers: dict[str, Register] | None) -> Register:
    assert registers is not None
    (register,) = registers.values()
    return register


class InProcess:
    """As Runner, without children. `ends` has pubs end otherwise, each time they run."""

    memory = 1 << 30
    threads = 1
    imported = "2026-01-01T00:00:00Z"
    ready = True

    def __init__(self, **ends: list[Any]) -> None:
        self.ends = {int(name[1:]): list(found) for name, found in ends.items()}
        self.seconds: list[tuple[int, float | None]] = []
        self.warmed = 0

    def warm_up(self) -> None:
        self.warmed += 1

    def run(self, task: ipc.Task, circuit: bytes, seconds: float | None, tick: Callable[[], Any]) -> Any:
        self.seconds.append((task.index, seconds))
        tick()
        planned = self.ends.get(task.index, [])
        end = planned.pop(0) if planned else FINE
        if isinstance(end, BaseException):
            raise end
        if callable(end):  # what happens while the pub runs
            end()
            end = FINE
        return (child.run(task, circuit), end) if end is FINE else (None, end)

    def run_batch(self, pubs: Any, seconds: float | None, tick: Callable[[], Any], hear: Callable[[Any], None]) -> Any:
        """Up to the first that ends otherwise."""
        for task, circuit in pubs:
            report, end = self.run(task, circuit, seconds, tick)
            if end is not FINE:
                return end
            hear(report)
        return FINE

    def wait(self, tick: Callable[[], Any]) -> None:
        pass

    def kill(self) -> None:
        pass
