"""Runs the pubs of one order: fetch, run in a child, gather, flush. Everything about a deadline is in `budget`."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Final, Protocol

import msgspec
import urllib3

from quantumjob_contract import arrays, limits, seeds, transfer
from quantumjob_contract.backend import NoiseModel
from quantumjob_contract.program import Program
from quantumjob_contract.reasons import PubReason
from quantumjob_contract.results import PubError, PubMetadata, PubResult, PubTimes
from quantumjob_worker import circuits, noise_source, protocol
from quantumjob_worker.alive import SignsOfLife
from quantumjob_worker.budget import Budget
from quantumjob_worker.errors import PubFailed
from quantumjob_worker.runner import Tick, explain
from quantumjob_worker.segments import Segments
from quantumjob_worker.stores import FETCH_SECONDS, backoff

STORE_SECONDS: Final = 600.0
"""How long a store that does not answer is tried with a segment, where the job has no deadline."""

log = logging.getLogger(__name__)


class RunsPubs(Protocol):
    """What `Runner` is to a shard."""

    memory: int
    threads: int

    def run(
        self, task: protocol.Task, circuit: bytes, seconds: float | None, tick: Tick
    ) -> tuple[protocol.Report | None, protocol.End]: ...


class Shard:
    """The pubs of one order that have no result yet."""

    def __init__(
        self,
        program: Program,
        urls: Mapping[str, str],
        http: urllib3.PoolManager,
        runner: RunsPubs,
        segments: Segments,
        *,
        budget: Budget,
        signs: SignsOfLife,
    ) -> None:
        self._program = program
        self._urls = urls
        self._http = http
        self._runner = runner
        self._segments = segments
        self._budget = budget
        self._signs = signs
        self._noise: NoiseModel | PubFailed | None = None
        """Once it was needed: the model, or why there is none."""
        self._seeds = seeds.pub_seeds(program.seed, [arrays.points(pub.parameter_values) for pub in program.pubs])
        self._left = 0
        """Pubs without a result."""
        self.computed = 0
        """Pubs that have their result or error from here."""

    def run(self) -> None:
        """Every pub once, then again those that ran out of their share, as long as that makes sense.

        Raises transfer's StoreUnavailable and StoreRefused, and OrderFailed when the operator stops it.
        """
        total = len(self._program.pubs)
        waiting = [index for index in range(total) if index not in self._segments.done]
        self._left = len(waiting)
        self._signs.total, self._signs.done = total, total - self._left
        while waiting:
            again: list[int] = []
            for position, index in enumerate(waiting):
                share = self._budget.share(index, len(waiting) - position)
                if share == 0 or not self._run_pub(index, share):
                    again.append(index)
            if len(again) == len(waiting) and not any(self._may_run(index, len(again)) for index in again):
                break
            waiting = again
        for index in waiting:
            self._add(index, self._out_of_time(index), PubTimes(load=0.0, run=self._budget.given(index) or 0.0))

    def _may_run(self, index: int, waiting: int) -> bool:
        remaining = self._budget.remaining()
        return remaining is None or self._budget.worth(index, remaining / waiting)

    def _run_pub(self, index: int, seconds: float | None) -> bool:
        """False where it ran out of its share."""
        pub = self._program.pubs[index]
        began = time.monotonic()
        until = began + min(FETCH_SECONDS, seconds or FETCH_SECONDS)
        try:
            noise = self._noise_model(until)
            data = circuits.read(pub.circuit, self._urls, self._http, until=until, wait=self._signs.wait)
        except PubFailed as failed:
            self._add(index, failed.error, PubTimes(load=time.monotonic() - began, run=0.0))
            return True
        task = protocol.Task(
            index=index,
            name=pub.name,
            format=pub.circuit.format,
            shots=pub.shots,
            primitive=self._program.primitive,
            parameter_values=pub.parameter_values,
            observables=pub.observables,
            precision=pub.precision,
            seed=self._seeds[index],
            threads=self._runner.threads,
            memory=self._runner.memory,
            parse_seconds=limits.PARSE_SECONDS,
            method=self._program.backend.method,
            noise=noise,
            seconds_left=self._budget.remaining(),
        )
        fetched = time.monotonic()
        report, end = self._runner.run(task, data, seconds, self._tick)
        if report is not None and not end.signal:
            if report.trace:
                log.warning("a pub's child failed", extra={"pub": index, "trace": report.trace})
            load = fetched - began + report.load
            self._keep(self._checked(report.result, index, data), PubTimes(load=load, run=report.run))
        elif end.timed_out:
            log.info("a pub ran out of its share of the time", extra={"pub": index, "seconds": seconds})
            return False
        else:
            log.warning("a pub's child died", extra={"pub": index, "signal": end.signal, "peak": end.peak})
            error = explain(end, task.memory, task.parse_seconds)
            self._add(index, error, PubTimes(load=0.0, run=time.monotonic() - fetched), data)
        return True

    def _noise_model(self, until: float) -> NoiseModel | None:
        """Read once, for all pubs. Raises PubFailed, or transfer's StoreUnavailable and StoreRefused."""
        noise = self._program.backend.noise
        if noise is None:
            return None
        if self._noise is None:
            try:
                self._noise = noise_source.read(noise, self._urls, self._http, until=until, wait=self._signs.wait)
            except PubFailed as failed:
                self._noise = failed
        if isinstance(self._noise, PubFailed):
            raise self._noise
        return self._noise

    def _checked(self, result: PubResult, index: int, data: bytes) -> PubResult:
        """The child's word only for what the child alone can know."""
        ours = self._metadata(index, data)
        metadata = msgspec.structs.replace(
            result.metadata,
            seed=ours.seed,
            shots=ours.shots or result.metadata.shots,
            target_precision=ours.target_precision,
            input_sha256=ours.input_sha256,
        )
        return msgspec.structs.replace(result, index=index, name=self._program.pubs[index].name, metadata=metadata)

    def _add(self, index: int, error: PubError, times: PubTimes, data: bytes = b"") -> None:
        result = PubResult(
            index=index, name=self._program.pubs[index].name, metadata=self._metadata(index, data), error=error
        )
        self._keep(result, times)

    def _keep(self, result: PubResult, times: PubTimes) -> None:
        self._segments.add(result, times)
        self._left -= 1
        self.computed += 1
        self._signs.done += 1
        self._tick()
        until = time.monotonic() + (STORE_SECONDS if (left := self._budget.remaining()) is None else left)
        failures = 0
        while self._segments.full and not self._segments.flush():
            if time.monotonic() > until:
                raise transfer.StoreUnavailable("nothing more can be held")
            self._signs.wait(backoff(failures))
            failures += 1

    def _metadata(self, index: int, data: bytes) -> PubMetadata:
        return PubMetadata(
            seed=self._seeds[index],
            shots=self._program.pubs[index].shots,
            target_precision=self._program.pubs[index].precision,
            input_sha256=transfer.sha256(data) if data else "",
        )

    def _out_of_time(self, index: int) -> PubError:
        given = self._budget.given(index)
        if given is None:
            return PubError(PubReason.NOT_RUN, "The job's deadline came before this pub had its turn. Raise it.")
        return PubError(
            PubReason.DEADLINE_EXCEEDED,
            f"The pub was given {given:.1f} s of the job's time and did not end in it. Raise "
            "spec.activeDeadlineSeconds, or make the circuit or its shots smaller.",
        )

    def _tick(self) -> float | None:
        """Give a sign of life, flush, each when it is due; in how many seconds to look again.

        Flushes only while work remains: else it all goes into the last segment.
        """
        sign = self._signs.tick()
        if self._left == 0:
            return None
        due = self._segments.due_in()
        if due is not None and due <= 0:
            self._segments.flush()
            due = self._segments.due_in()
        return sign if due is None else min(sign, due)
