"""Runs the pubs of one order: fetch, run in a child, gather, flush. Everything about a deadline is in `budget`."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.results import PubError, PubResult, PubTimes
from quantumjob_contract.store_errors import StoreUnavailable
from quantumjob_worker import ipc
from quantumjob_worker.agent import batching
from quantumjob_worker.agent.heartbeat import Heartbeat
from quantumjob_worker.agent.segments import SegmentWriter
from quantumjob_worker.agent.time_budget import TimeBudget
from quantumjob_worker.clients.object_store import FETCH_SECONDS, backoff
from quantumjob_worker.errors import PubFailed
from quantumjob_worker.inputs.tasks import ReadyTask, TaskSource
from quantumjob_worker.isolation import report_stream
from quantumjob_worker.isolation.report_stream import OnReport
from quantumjob_worker.isolation.runner import Tick, explain

STORE_SECONDS: Final = 600.0
"""How long a store that does not answer is tried with a segment, where the job has no deadline."""
UNBOUNDED: Final = (b"while", b"WhileLoop")
"""One of these is in a circuit with a loop that may not end, as text or QPY. Its pub comes after its neighbours."""

log = logging.getLogger(__name__)


class PubRunner(Protocol):
    """What `Runner` is to a shard."""

    memory: int
    threads: int

    def run(
        self, task: ipc.Task, circuit: bytes, seconds: float | None, tick: Tick
    ) -> tuple[ipc.Report | None, ipc.ChildExit]: ...

    def run_together(
        self, pubs: Sequence[tuple[ipc.Task, bytes]], seconds: float | None, tick: Tick, on_report: OnReport
    ) -> ipc.ChildExit: ...


class ShardRun:
    """The pubs of one order that have no result yet."""

    def __init__(
        self,
        source: TaskSource,
        runner: PubRunner,
        segments: SegmentWriter,
        *,
        budget: TimeBudget,
        heartbeat: Heartbeat,
    ) -> None:
        self._source = source
        self._runner = runner
        self._segments = segments
        self._budget = budget
        self._heartbeat = heartbeat
        self._batch_size = batching.BatchSize()
        self._late: set[int] = set()
        """Pubs that were put behind the others."""
        self._left = 0
        """Pubs without a result."""
        self.computed = 0
        """Pubs that have their result or error from here."""

    def run(self) -> None:
        """Every pub once, then again those that ran out of their share, as long as that makes sense.

        Raises StoreUnavailable and AccessDenied, and OrderFailed when the operator stops it.
        """
        indices = self._source.indices
        waiting = [index for index in indices if index not in self._segments.done]
        self._left = len(waiting)
        self._heartbeat.total, self._heartbeat.done = len(indices), len(indices) - self._left
        first = True
        while waiting:
            again = self._once(deque(waiting), alone=not first)
            if len(again) == len(waiting) and not any(self._may_run(index, len(again)) for index in again):
                break
            waiting, first = again, False
        for index in waiting:
            seconds = self._budget.given(index) or 0.0
            self._keep(self._source.failed(index, self._out_of_time(index)), PubTimes(load=0.0, run=seconds))

    def _may_run(self, index: int, waiting: int) -> bool:
        quota = self._budget.quota(waiting)
        return quota is None or self._budget.is_useful(index, quota)

    def _once(self, queue: deque[int], *, alone: bool) -> list[int]:
        """Each of these pubs once; gives those that ran out of their share, or that have too little of it."""
        again: list[int] = []
        while queue:
            ready = self._take(queue, again, 1 if alone else self._batch_size.pubs)
            if len(ready) > 1:
                ready = self._run_together(ready, queue)
            for position, each in enumerate(ready):
                share = self._budget.share(each.index, len(ready) - position + len(queue))
                if share == 0 or not self._run_alone(each, share):
                    again.append(each.index)
        return again

    def _take(self, queue: deque[int], again: list[int], pubs: int) -> list[ReadyTask]:
        """The next pubs that can run, so many or of so many bytes."""
        found: list[ReadyTask] = []
        size = 0
        until = time.monotonic() + batching.FETCH_SECONDS
        while queue and len(found) < pubs and size < batching.MAX_BYTES and not (found and time.monotonic() > until):
            self._tick()
            waiting = len(queue)
            index = queue.popleft()
            quota = self._budget.quota(waiting)
            if quota is not None and not self._budget.is_useful(index, quota):
                again.append(index)
                continue
            began = time.monotonic()
            try:
                ready = self._source.prepare(
                    index,
                    began + min(FETCH_SECONDS, FETCH_SECONDS if quota is None else quota),
                    memory=self._runner.memory,
                    threads=self._runner.threads,
                    seconds_left=self._budget.remaining(),
                )
            except PubFailed as failed:
                times = PubTimes(load=time.monotonic() - began, run=0.0)
                self._keep(self._source.failed(index, failed.error), times)
                continue
            if queue and index not in self._late and any(mark in ready.data for mark in UNBOUNDED):
                self._late.add(index)
                queue.append(index)
                continue
            found.append(ready)
            size += ready.bytes
        return found

    def _run_together(self, batch: list[ReadyTask], queue: deque[int]) -> list[ReadyTask]:
        """Keep the results; gives the pubs that shall run alone. Those that were not reached wait again."""
        quota = self._budget.quota(len(batch) + len(queue))
        most = batching.TIMEOUT_SECONDS
        seconds = most if quota is None else min(most, quota * len(batch))
        began = time.monotonic()
        alone: list[ReadyTask] = []
        heard = 0

        def on_report(report: ipc.Report) -> None:
            nonlocal heard
            each = batch[heard]
            heard += 1
            if report.result.error is None and report_stream.is_sound(report, each.task):
                self._keep_report(each, report)
            else:
                alone.append(each)

        self._runner.run_together([(each.task, each.data) for each in batch], seconds, self._tick, on_report)
        self._batch_size.record(time.monotonic() - began, heard)
        queue.extendleft(each.index for each in reversed(batch[heard + 1 :]))
        return alone + batch[heard : heard + 1]

    def _run_alone(self, ready: ReadyTask, seconds: float | None) -> bool:
        """False where it ran out of its share."""
        began = time.monotonic()
        report, end = self._runner.run(ready.task, ready.data, seconds, self._tick)
        took = time.monotonic() - began
        self._batch_size.record(took, 1)
        if report is not None and not end.signal and report_stream.is_sound(report, ready.task):
            if report.trace:
                log.warning("a pub's child failed", extra={"pub": ready.index, "trace": report.trace})
            self._keep_report(ready, report)
        elif end.timed_out:
            log.info("a pub ran out of its share of the time", extra={"pub": ready.index, "seconds": seconds})
            return False
        else:
            log.warning("a pub's child died", extra={"pub": ready.index, "signal": end.signal, "peak": end.peak})
            error = explain(end, ready.task.memory, ready.task.parse_seconds)
            self._keep(self._source.failed(ready.index, error, ready), PubTimes(load=0.0, run=took))
        return True

    def _keep_report(self, ready: ReadyTask, report: ipc.Report) -> None:
        times = PubTimes(load=ready.load + report.load, run=report.run)
        self._keep(self._source.checked(report.result, ready), times, report.arrays)

    def _keep(self, result: PubResult, times: PubTimes, arrays: Sequence[memoryview] = ()) -> None:
        self._segments.add(result, times, arrays)
        self._left -= 1
        self.computed += 1
        self._heartbeat.done += 1
        self._tick()
        until = time.monotonic() + (STORE_SECONDS if (left := self._budget.remaining()) is None else left)
        failures = 0
        while self._segments.full and not self._segments.flush():
            if time.monotonic() > until:
                raise StoreUnavailable("nothing more can be held")
            self._heartbeat.wait(backoff(failures))
            failures += 1

    def _out_of_time(self, index: int) -> PubError:
        given = self._budget.given(index)
        if given is None:
            return PubError(PubReason.NOT_RUN, "The job's deadline came before this pub had its turn. Raise it.")
        return PubError(
            PubReason.DEADLINE_EXCEEDED,
            f"The pub was given {given:.1f} s of the job's time and did not end in it. Raise "
            "spec.activeDeadlineSeconds, or make the circuit or its shots smaller. Where its statevector does not fit, "
            "more memory (spec.resources.limits.memory) may be what it needs.",
        )

    def _tick(self) -> float | None:
        """Give a sign of life, flush, each when it is due; in how many seconds to look again.

        Flushes only while work remains: else it all goes into the last segment.
        """
        sign = self._heartbeat.tick()
        if self._left == 0:
            return None
        due = self._segments.due_in()
        if due is not None and due <= 0:
            self._segments.flush()
            due = self._segments.due_in()
        return sign if due is None else min(sign, due)
