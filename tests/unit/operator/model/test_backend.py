"""What spec.backend becomes in the accepted program, and what of it is refused where the schema did not see it."""

from __future__ import annotations

from typing import Any

import pytest

from quantumjob_contract.schema.backend import Backend, Depolarizing, Noise, Relaxation
from quantumjob_contract.schema.object_ref import ObjectRef
from quantumjob_contract.schema.program import Program, decode_program, encode
from quantumjob_operator.model.validation import Rejection, accept
from support.kube import quantumjob


def accepted(backend: Any) -> Program | Rejection:
    made = quantumjob()
    made["spec"]["backend"] = backend
    return accept(made)


@pytest.mark.parametrize(
    ("spec", "backend"),
    [
        ({}, Backend()),
        ({"name": "aer", "method": "stabilizer"}, Backend(method="stabilizer")),
        (
            {"noise": {"depolarizing": {"oneQubit": 0.1, "twoQubit": 0}}},
            Backend(noise=Noise(depolarizing=Depolarizing(0.1))),
        ),
        (
            {"noise": {"relaxation": {"t1Nanoseconds": 100, "t2Nanoseconds": 200}}},
            Backend(noise=Noise(relaxation=Relaxation(100, 200))),
        ),
        ({"noise": {"object": {"key": "a/b.json"}}}, Backend(noise=Noise(object=ObjectRef("a/b.json")))),
    ],
)
def test_the_program_carries_the_backend(spec: Any, backend: Backend) -> None:
    program = accepted(spec)
    assert isinstance(program, Program)
    assert program.backend == backend
    assert decode_program(encode(program)).backend == backend


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({"method": "guess"}, "guess"),
        ({"noise": {"object": {"key": "../b.json"}}}, "noise.object.key"),
        ({"noise": {"relaxation": {"t1Nanoseconds": 100, "t2Nanoseconds": 201}}}, "twice"),
        ({"noise": {"depolarizing": {"oneQubit": 2}}}, "oneQubit"),
    ],
)
def test_what_cannot_be_is_refused(spec: Any, named: str) -> None:
    found = accepted(spec)
    assert isinstance(found, Rejection)
    assert named in found.message


def test_a_program_of_an_earlier_version_has_no_noise() -> None:
    program = accepted({})
    assert isinstance(program, Program)
    told = b'"backend":{"name":"aer","method":"automatic","precision":"double","noise":null},'
    old = encode(program).replace(told, b"")
    assert b"backend" not in old
    assert decode_program(old) == program
