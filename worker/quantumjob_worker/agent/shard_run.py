"""Runs the pubs of one order: fetches circuits, runs children, keeps results. `time_budget` holds the deadline."""

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
from quantumjob_worker.isolation.runner import Tick, child_error

STORE_SECONDS: Final = 600.0
"""How long a segment is retried against an unavailable store, for a job without a deadline."""
UNBOUNDED: Final = (b"while", b"WhileLoop")
"""Marks of a loop that may not end, in text and in QPY. Pubs with one run after the others."""

log = logging.getLogger(__name__)


class PubRunner(Protocol):
    """The methods of `Runner` that a shard needs."""

    memory: int
    threads: int

    def run(
        self, task: ipc.Task, circuit: bytes, seconds: float | None, tick: Tick
    ) -> tuple[ipc.PubReport | None, ipc.ChildExit]: ...

    def run_batch(
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
        self._deferred: set[int] = set()
        """Pubs that were moved behind the others."""
        self._left = 0
        """Number of pubs without a result."""
        self.computed = 0
        """Number of pubs that got a result or an error in this run."""

    def run(self) -> None:
        """Runs every pub once, then those again that used up their share, while their new share is large enough.

        Raises StoreUnavailable and AccessDenied, and OrderFailed if the operator stops the order.
        """
        indices = self._source.indices
        waiting = [index for index in indices if index not in self._segments.done]
        self._left = len(waiting)
        self._heartbeat.total, self._heartbeat.done = len(indices), len(indices) - self._left
        first = True
        while waiting:
            again = self._once(deque(waiting), alone=not first)
            if len(again) == len(waiting) and not any(self._has_time(index, len(again)) for index in again):
                break
            waiting, first = again, False
        for index in waiting:
            seconds = self._budget.given(index) or 0.0
            self._keep(self._source.failed(index, self._out_of_time(index)), PubTimes(load=0.0, run=seconds))

    def _has_time(self, index: int, waiting: int) -> bool:
        quota = self._budget.quota(waiting)
        return quota is None or self._budget.is_useful(index, quota)

    def _once(self, queue: deque[int], *, alone: bool) -> list[int]:
        """Runs each pub once. Returns those that used up their share, or whose share is too small."""
        again: list[int] = []
        while queue:
            ready = self._take(queue, again, 1 if alone else self._batch_size.pubs)
            if len(ready) > 1:
                ready = self._run_batch(ready, queue)
            for position, each in enumerate(ready):
                share = self._budget.share(each.index, len(ready) - position + len(queue))
                if share == 0 or not self._run_single(each, share):
                    again.append(each.index)
        return again

    def _take(self, queue: deque[int], again: list[int], pubs: int) -> list[ReadyTask]:
        """Fetches the next batch, bounded in number and bytes."""
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
            if queue and index not in self._deferred and any(mark in ready.data for mark in UNBOUNDED):
                self._deferred.add(index)
                queue.append(index)
                continue
            found.append(ready)
            size += ready.bytes
        return found

    def _run_batch(self, batch: list[ReadyTask], queue: deque[int]) -> list[ReadyTask]:
        """Runs a batch and keeps its results. Returns the pubs to run alone; the pubs behind them are queued again."""
        quota = self._budget.quota(len(batch) + len(queue))
        timeout = batching.TIMEOUT_SECONDS
        seconds = timeout if quota is None else min(timeout, quota * len(batch))
        began = time.monotonic()
        alone: list[ReadyTask] = []
        received = 0

        def on_report(report: ipc.PubReport) -> None:
            nonlocal received
            each = batch[received]
            received += 1
            if report.result.error is None and report_stream.is_valid(report, each.task):
                self._keep_report(each, report)
            else:
                alone.append(each)

        self._runner.run_batch([(each.task, each.data) for each in batch], seconds, self._tick, on_report)
        self._batch_size.record(time.monotonic() - began, received)
        queue.extendleft(each.index for each in reversed(batch[received + 1 :]))
        return alone + batch[received : received + 1]

    def _run_single(self, ready: ReadyTask, seconds: float | None) -> bool:
        """Runs a pub in a child of its own. Returns False if it used up its share."""
        began = time.monotonic()
        report, end = self._runner.run(ready.task, ready.data, seconds, self._tick)
        took = time.monotonic() - began
        self._batch_size.record(took, 1)
        if report is not None and not end.signal and report_stream.is_valid(report, ready.task):
            if report.trace:
                log.warning("a pub failed in its child", extra={"pub": ready.index, "trace": report.trace})
            self._keep_report(ready, report)
        elif end.timed_out:
            log.info("a pub used up its share of the run time", extra={"pub": ready.index, "seconds": seconds})
            return False
        else:
            log.warning("a pub's child died", extra={"pub": ready.index, "signal": end.signal, "peak": end.peak})
            error = child_error(end, ready.task.memory, ready.task.parse_seconds)
            self._keep(self._source.failed(ready.index, error, ready), PubTimes(load=0.0, run=took))
        return True

    def _keep_report(self, ready: ReadyTask, report: ipc.PubReport) -> None:
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
                raise StoreUnavailable("the segment is full and cannot be written")
            self._heartbeat.wait(backoff(failures))
            failures += 1

    def _out_of_time(self, index: int) -> PubError:
        given = self._budget.given(index)
        if given is None:
            return PubError(
                PubReason.NOT_RUN, "The job's deadline passed before this pub ran. Raise spec.activeDeadlineSeconds."
            )
        return PubError(
            PubReason.DEADLINE_EXCEEDED,
            f"The pub did not end in its share of {given:.1f} s of the job's run time. Raise "
            "spec.activeDeadlineSeconds, use a smaller circuit or fewer shots, or raise "
            "spec.resources.limits.memory if a statevector does not fit.",
        )

    def _tick(self) -> float | None:
        """Sends a heartbeat and flushes, each when due. Returns the seconds until the next of these.

        Flushes only while pubs remain: otherwise all results go into the last segment.
        """
        heartbeat_due = self._heartbeat.tick()
        if self._left == 0:
            return None
        due = self._segments.due_in()
        if due is not None and due <= 0:
            self._segments.flush()
            due = self._segments.due_in()
        return heartbeat_due if due is None else min(heartbeat_due, due)
