"""From a resource to its program: arrays, precision, shots; and what is refused with which sentence."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantumjob_contract import limits
from quantumjob_contract.pubs import arrays
from quantumjob_contract.schema.program import Program, decode_program, encode
from quantumjob_operator.model.validation import Rejection, accept

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.sampled_from(["Z", "ZZ"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.just("Z"), inner, max_size=2),
    max_leaves=8,
)
CIRCUIT = {"format": "OpenQASM3", "inline": "OPENQASM 3.0;"}


def accepted(*pubs: dict[str, Any], **program: Any) -> Program | Rejection:
    meta = {"namespace": "team", "uid": "u", "name": "job", "creationTimestamp": "2026-01-01T00:00:00Z"}
    full = [{"name": f"p{index}", "circuit": CIRCUIT} | pub for index, pub in enumerate(pubs)]
    return accept({"metadata": meta, "spec": {"program": {"shots": 1024, "pubs": full} | program}})


def test_a_sweep_is_taken_as_it_is() -> None:
    values = {"a": [[0.5, 1], [2, 3]], "t[0:2]": [[[0, 0], [0, 1]], [[1, 0], [1, 1]]]}
    made = accepted({"parameterValues": values, "shots": 10}, {})
    assert isinstance(made, Program)
    assert [pub.shots for pub in made.pubs] == [10, 1024]
    assert made.pubs[0].parameter_values == values
    assert decode_program(encode(made)) == made


def test_an_estimator_has_a_precision() -> None:
    pubs = [{}, {"precision": 0.25}, {"shots": 10_000}]
    made = accepted(*({"observables": ["ZZ", {"XX": 0.5}]} | pub for pub in pubs), primitive="Estimator")
    assert isinstance(made, Program)
    assert [pub.precision for pub in made.pubs] == [0.0, 0.25, 0.01]
    assert [pub.shots for pub in made.pubs] == [0, 0, 0]
    assert decode_program(encode(made)) == made


def test_what_is_saved_is_in_one_order() -> None:
    made = accepted({"save": ["Probabilities", "Statevector"]}, {})
    assert isinstance(made, Program)
    assert [pub.save for pub in made.pubs] == [["Statevector", "Probabilities"], []]
    assert made == accepted({"save": ["Statevector", "Probabilities"]}, {})
    assert decode_program(encode(made)) == made


@pytest.mark.parametrize(
    ("pub", "primitive", "told"),
    [
        ({}, "Estimator", "needs observables"),
        ({"observables": "Z"}, "Sampler", "only an Estimator"),
        ({"observables": "Z", "save": ["Statevector"]}, "Estimator", "only a Sampler saves"),
        ({"observables": ["Z", "ZZ"]}, "Estimator", "pubs[0].observables must have Pauli strings of one length"),
        ({"observables": ["Z"] * 2, "parameterValues": {"a": [1, 2, 3]}}, "Estimator", "cannot be broadcast"),
        ({"parameterValues": {"a": ["x"]}}, "Sampler", "pubs[0].parameterValues['a'] holds a value"),
        ({"parameterValues": {"a": [[1, 2], [3]]}}, "Sampler", "pubs[0].parameterValues is ragged"),
        ({"parameterValues": {"a": [0] * (limits.MAX_POINTS + 1)}}, "Sampler", "100001 points"),
        ({"parameterValues": {"t[0:4]": [[0] * 4] * 60_000}}, "Sampler", "240000 parameter values"),
        ({"observables": [{"Z": 1}] * 30_000}, "Estimator", "30000 Pauli strings"),
        (
            {"observables": [["Z"]] * 1000, "parameterValues": {"a": [0] * 1000}},
            "Estimator",
            "1000000 points, the limit is 100000",
        ),
    ],
)
def test_what_is_refused(pub: dict[str, Any], primitive: str, told: str) -> None:
    made = accepted(pub, primitive=primitive)
    assert isinstance(made, Rejection)
    assert told in made.message
    assert made.message.startswith("spec.program")


@given(st.dictionaries(st.text(max_size=4) | st.sampled_from(["a", "b, c", "t[0:2]"]), ANYTHING, max_size=3), ANYTHING)
def test_whatever_is_in_the_arrays_it_is_taken_or_refused(values: dict[str, Any], observables: Any) -> None:
    """The operator lives on; and what it takes has a number of points without another check."""
    made = accepted({"parameterValues": values, "observables": observables}, primitive="Estimator")
    if isinstance(made, Program):
        assert arrays.points(values) >= 1
        assert decode_program(encode(made)) == made
