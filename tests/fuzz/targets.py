"""The targets: how each input becomes a task of a child, as the worker's agent makes it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple, get_args

import msgspec
import urllib3

from fuzz import mutations
from fuzz.mutations import Step
from quantumjob_contract.limits import PARSE_SECONDS
from quantumjob_contract.schema.backend import Method
from quantumjob_contract.schema.decoding import decode
from quantumjob_contract.schema.program import Format, Primitive, Program, PubsReference
from quantumjob_worker.inputs import noise_model
from quantumjob_worker.inputs.pub_list import ListedPubs
from quantumjob_worker.inputs.tasks import TaskSource
from quantumjob_worker.ipc import Task

METHODS: Final[list[Method]] = [*get_args(Method), "automatic", "automatic", "automatic", "automatic", "automatic"]
"""Every method once, and the default in more than half of the cases."""
SHOTS: Final = 50
PLAIN: Final = b"""OPENQASM 3.0; include "stdgates.inc"; qubit[3] q; bit[3] c; h q[0]; cx q[0], q[1];
ccx q[0], q[1], q[2]; delay[50ns] q[0]; c = measure q;"""
WITH_INPUTS: Final = b"""OPENQASM 3.0; include "stdgates.inc"; input float a; input float b; qubit[2] q; bit[2] c;
rx(a) q[0]; crz(a / b) q[0], q[1]; c = measure q;"""

Made = tuple[Task, bytes]


class Refused(Exception):
    """The agent rejects the input before a child starts. Not a finding."""


class Target(NamedTuple):
    steps: tuple[Step, ...]
    make: Callable[[bytes], Made]


class Arrays(msgspec.Struct, rename="camel"):
    """The arrays of a pub, as in the program."""

    parameter_values: dict[str, Any] = {}
    observables: Any = None
    precision: float | None = None


def circuit(format_: Format) -> Callable[[bytes], Made]:
    return lambda data: (task(data, format_), data)


def noise(data: bytes) -> Made:
    """Raises PubFailed, as in the agent."""
    return msgspec.structs.replace(task(data, "OpenQASM3"), noise=noise_model.decoded(data)), PLAIN


def arrays(data: bytes) -> Made:
    try:
        given = decode(data, Arrays)
    except msgspec.DecodeError:
        raise Refused from None
    primitive: Primitive = "Sampler" if given.observables is None else "Estimator"
    made = task(data, "OpenQASM3")
    return msgspec.structs.replace(
        made,
        primitive=primitive,
        shots=SHOTS if primitive == "Sampler" else 0,
        parameter_values=given.parameter_values,
        observables=given.observables,
        precision=given.precision,
    ), WITH_INPUTS


def line(data: bytes) -> Made:
    """A line of the object of `pubsFrom`. Raises PubFailed, as in the agent."""
    primitive: Primitive = "Estimator" if b"observables" in data else "Sampler"
    listed = PubsReference("pubs.jsonl", "", 1, SHOTS)
    pubs = ListedPubs(primitive, listed, data.replace(b"\n", b" "))
    if not len(pubs):
        raise Refused
    program = Program(
        api_version="", uid="", namespace="", name="", primitive=primitive, seed=7, listed=listed, created=""
    )
    source = TaskSource(program, pubs, 0, urls={}, http=urllib3.PoolManager(), wait=lambda _seconds: None)
    ready = source.prepare(0, 0.0, memory=0, threads=1, seconds_left=None)
    return ready.task, ready.data


def task(data: bytes, format_: Format) -> Task:
    """The method depends on the input alone, so that a replay is the same."""
    method = METHODS[hashlib.sha256(data).digest()[0] % len(METHODS)]
    return Task(
        index=0, name="p", format=format_, shots=SHOTS, seed=7, threads=1, memory=0, parse_seconds=PARSE_SECONDS,
        method=method,
    )  # fmt: skip


TARGETS: Final = {
    "qasm2": Target(mutations.TEXT, circuit("OpenQASM2")),
    "qasm3": Target(mutations.TEXT, circuit("OpenQASM3")),
    "qpy": Target(mutations.QPY, circuit("QPY")),
    "noise": Target(mutations.JSON, noise),
    "arrays": Target(mutations.JSON, arrays),
    "line": Target(mutations.JSON, line),
}
