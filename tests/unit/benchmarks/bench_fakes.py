"""Builds example figures, and a fake API server that completes everything at once."""

from __future__ import annotations

import queue
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
from benchmarks.figures.basic import Baseline, Cost, Rate
from benchmarks.figures.parts import Alone, Burst, Many, Standing
from benchmarks.figures.run import Figures, OperatorFigures
from benchmarks.figures.service import RestFigures
from benchmarks.figures.timing import JobTiming
from benchmarks.figures.together import Backlog, Crowd, Mixed, WithLongJob
from benchmarks.machine import MachineInfo

CREATED = 1_700_000_000.0
RAW = Rate(60, 40.0)


def timing(seconds: float = 1.5, without: str = "", created: float = CREATED) -> JobTiming:
    after = {"accepted": 0.1, "started": 1.0, "imported": 1.3, "simulated": 1.35, "stored": 1.4, "promoted": 1.45}
    times = {
        stage: datetime.fromtimestamp(created + offset, UTC).isoformat()
        for stage, offset in after.items()
        if stage != without
    }
    return JobTiming(created, created + seconds, times, created + 0.15)


def burst(ms: float = 3500.0) -> Burst:
    timings = [timing(seconds, created=CREATED + 0.5) for seconds in (1.5, 3.5, 9.5)]
    writes = Counter({("quantumjobs/status", "APPLY"): 6, ("events", "POST"): 3})
    return Burst([timing(), *timings], Rate(4, 0.8), 4, Cost(ms, 1000), writes, 5.0, RAW)


def standing() -> Standing:
    return Standing([timing(0.1)] * 48 + [timing(0.2)] * 2, Cost(400, 50), Counter({("events", "POST"): 50}), 100.0)


def mixed() -> Mixed:
    companies = {"first": WithLongJob([2.0, 4.0, 6.0], 33.0, 1.0), "last": WithLongJob([2.0, 5.0, 6.0], 36.0, 0.5)}
    return Mixed(30.0, 50, [1.0, 2.0, 3.0], companies)


def backlog(**changes: Any) -> Backlog:
    found = Backlog(
        finished=10_000,
        waiting=1_000,
        ready=4.0,
        steady=9.0,
        restart_writes=3,
        new_jobs=[0.1, 0.12, 0.2],
        memory_before=110.0,
        memory_after=105.0,
        memory_peak=111.0,
        drained=1_000,
        drain_seconds=45.0,
        reasons={"PodRefused": 1_000},
    )
    return replace(found, **changes)


def rest() -> RestFigures:
    return RestFigures([0.004] * 4, [0.005] * 4, [0.007] * 4, [0.02] * 4, Rate(100, 0.25), Rate(100, 0.4), 8)


def figures(**changes: Any) -> Figures:
    found = Figures(
        baseline=Baseline([3.0, 3.0]),
        operator=OperatorFigures(1.0, 85.0, 90.0, jobs=1_500, restarted=False, others=0),
        verified=4,
        alone=Alone([timing(), timing()], [timing(1.2), timing(1.2)]),
        many=Many(Rate(60, 50.0), Cost(540, 60), Cost(60, 60), RAW),
        standing=standing(),
        series=Cost(1500, 200),
        burst=burst(),
        mixed=mixed(),
        crowd=Crowd([1.0, 2.0, 3.0, 9.0], [[1.5, 2.0], [0.5]]),
        rest=rest(),
        backlog=backlog(),
    )
    return replace(found, **changes)


def machine() -> MachineInfo:
    return MachineInfo("2026-01-02", 1, 2, 23.5, "6.1.0", "v1.34.4", "containerd://1.6.20", {"qiskit-aer": "0.18.2"})


def line(kind: str = "MODIFIED", namespace: str = "n", name: str = "a", **status: Any) -> bytes:
    """Returns an event of a watch as JSON."""
    meta = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "resourceVersion": "7", "managedFields": [{}]}
    return msgspec.json.encode({"type": kind, "object": {"kind": "Job", "metadata": meta, "status": status}})


def condition(kind: str, status: str = "True") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": "Why", "message": "because", "lastTransitionTime": "now"}


class FakeApi:
    """Fakes an API server: what is created is complete with the next event of the watch."""

    def __init__(self, end: str = "Complete") -> None:
        self.created: list[str] = []
        self.watches: list[dict[str, str]] = []
        self._end = end
        self._lines: queue.Queue[bytes | None] = queue.Queue()

    def ask(self, *_: str, **__: str) -> dict[str, Any]:
        return {"metadata": {"resourceVersion": "5"}}

    def request(self, _: str, path: str, body: Any = None) -> bytes:
        name = body["metadata"]["name"]
        self.created.append(name)
        self._lines.put(line("ADDED", path.split("/")[-2], name))
        self._lines.put(line(namespace=path.split("/")[-2], name=name, conditions=[condition(self._end)]))
        return b""

    def cut(self) -> None:
        """Ends the watch, as a server does."""
        self._lines.put(None)

    def lines(self, _: str, __: float, **query: str) -> Iterator[bytes]:
        self.watches.append(query)
        while (found := self._lines.get()) is not None:
            yield found
