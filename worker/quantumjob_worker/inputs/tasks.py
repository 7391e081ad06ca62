"""Builds the task of a pub for a child, and completes the pub's result with what the child must not decide."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec
import urllib3

from quantumjob_contract import limits, transfer
from quantumjob_contract.pubs import seeds
from quantumjob_contract.schema.backend import NoiseModel
from quantumjob_contract.schema.program import Program, default_name
from quantumjob_contract.schema.results import PubError, PubMetadata, PubResult
from quantumjob_worker import ipc
from quantumjob_worker.errors import PubFailed
from quantumjob_worker.inputs import circuit, noise_model
from quantumjob_worker.inputs.pub_list import PubList


@dataclass(frozen=True, slots=True)
class ReadyTask:
    """A pub that a child can run."""

    index: int
    task: ipc.Task
    data: bytes
    load: float
    """Seconds to fetch the circuit."""
    bytes: int
    """Approximate size of circuit and parameter values."""


class TaskSource:
    """The pubs of one order's program, with the objects of the circuits bucket that they reference."""

    def __init__(
        self,
        program: Program,
        pubs: PubList,
        shard: int,
        *,
        urls: Mapping[str, str],
        http: urllib3.PoolManager,
        wait: Callable[[float], None],
    ) -> None:
        self.indices = program.indices(shard)
        self._program = program
        self._pubs = pubs
        self._urls = urls
        self._http = http
        self._wait = wait
        self._noise: NoiseModel | PubFailed | None = None
        """The model, or the error of reading it; None before the first pub."""
        self._seeds = seeds.pub_seeds(program.seed, map(pubs.points, range(len(pubs))))

    def prepare(self, index: int, until: float, *, memory: int, threads: int, seconds_left: float | None) -> ReadyTask:
        """Fetches what the pub needs and returns its task. Raises PubFailed, StoreUnavailable and AccessDenied."""
        began = time.monotonic()
        pub = self._pubs[index]
        noise = self._noise_model(until)
        data = circuit.read(pub.circuit, self._urls, self._http, until=until, wait=self._wait)
        task = ipc.Task(
            index=index,
            name=pub.name,
            format=pub.circuit.format,
            shots=pub.shots,
            primitive=self._program.primitive,
            parameter_values=pub.parameter_values,
            observables=pub.observables,
            precision=pub.precision,
            seed=self._seeds[index],
            threads=threads,
            memory=memory,
            parse_seconds=limits.PARSE_SECONDS,
            method=self._program.backend.method,
            amplitudes=self._program.backend.precision,
            noise=noise,
            seconds_left=seconds_left,
            save=pub.save,
        )
        size = len(data) + self._pubs.arrays_bytes(index)
        return ReadyTask(index, task, data, time.monotonic() - began, size)

    def _noise_model(self, until: float) -> NoiseModel | None:
        """Returns the noise model, which is read once for all pubs. Raises as `prepare`."""
        noise = self._program.backend.noise
        if noise is None:
            return None
        if self._noise is None:
            try:
                self._noise = noise_model.read(noise, self._urls, self._http, until=until, wait=self._wait)
            except PubFailed as failed:
                self._noise = failed
        if isinstance(self._noise, PubFailed):
            raise self._noise
        return self._noise

    def checked(self, result: PubResult, ready: ReadyTask) -> PubResult:
        """Returns the result with index, name, seed, shots and checksum as the parent knows them.

        The child is not trusted with these.
        """
        ours = _metadata(ready.task, ready.data)
        metadata = msgspec.structs.replace(
            result.metadata,
            seed=ours.seed,
            shots=ours.shots or result.metadata.shots,
            target_precision=ours.target_precision,
            input_sha256=ours.input_sha256,
        )
        return msgspec.structs.replace(result, index=ready.index, name=ready.task.name, metadata=metadata)

    def failed(self, index: int, error: PubError, ready: ReadyTask | None = None) -> PubResult:
        """Returns the result of a pub with an error; `ready` is its task if it got that far."""
        if ready is not None:
            return PubResult(index=index, name=ready.task.name, metadata=_metadata(ready.task, ready.data), error=error)
        try:
            pub = self._pubs[index]
        except PubFailed:
            return PubResult(
                index=index, name=default_name(index), metadata=PubMetadata(self._seeds[index]), error=error
            )
        metadata = PubMetadata(seed=self._seeds[index], shots=pub.shots, target_precision=pub.precision)
        return PubResult(index=index, name=pub.name, metadata=metadata, error=error)


def _metadata(task: ipc.Task, data: bytes) -> PubMetadata:
    return PubMetadata(
        seed=task.seed, shots=task.shots, target_precision=task.precision, input_sha256=transfer.sha256(data)
    )
