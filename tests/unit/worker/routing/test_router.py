"""Which engine and method, for which circuit and memory."""

from __future__ import annotations

import math
from typing import Any

import pytest
from qiskit import QuantumCircuit

from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.results import Why
from quantumjob_worker.engines.stim import Stim
from quantumjob_worker.passes.features import Profile, profile
from quantumjob_worker.routing.cost_model import largest_bond, mps_bytes, probe_bond, statevector_bytes
from quantumjob_worker.routing.router import NoPlan, Plan, choose

GIB = 1 << 30
MIB = 1 << 20
BASE = Profile(
    qubits=20,
    clbits=20,
    gates=100,
    long_gates=50,
    bond_bits=10,
    clifford=False,
    dynamic=False,
    control_flow=False,
    shots=1000,
    measurements=20,
)
CLIFFORD = {"qubits": 100, "bond_bits": 50, "clifford": True}
NOISY = {"errors": 100, "noise": "pauli"}


def short(plan: Plan | NoPlan) -> tuple[Any, ...]:
    assert isinstance(plan, Plan), plan
    return (plan.engine, plan.method, plan.why, plan.bond_limit, plan.fallback)


@pytest.mark.parametrize(
    ("change", "memory", "expected"),
    [
        (
            {"qubits": 2, "bond_bits": 1, "gates": 2, "clifford": True},
            GIB,
            ("aer", "statevector", Why.SMALL, None, None),
        ),
        ({}, GIB, ("aer", "statevector", Why.FASTEST, None, None)),
        (CLIFFORD, GIB, ("stim", "stabilizer", Why.CLIFFORD, None, None)),
        (CLIFFORD | {"control_flow": True, "dynamic": True}, GIB, ("aer", "stabilizer", Why.CLIFFORD, None, None)),
        ({"qubits": 500, "bond_bits": 1, "clifford": True}, GIB, ("stim", "stabilizer", Why.CLIFFORD, None, None)),
        ({"qubits": 100, "bond_bits": 2}, GIB, ("aer", "matrix_product_state", Why.FASTEST, None, None)),
        (
            {"gates": 171_000, "long_gates": 150_000},
            GIB,
            ("aer", "matrix_product_state", Why.FASTEST, 32, "statevector"),
        ),
        (
            {"gates": 171_000, "long_gates": 300_000, "dynamic": True},
            GIB,
            ("aer", "statevector", Why.FASTEST, None, None),
        ),
        ({"qubits": 40, "bond_bits": 20}, GIB, ("aer", "matrix_product_state", Why.ONLY_FIT, 128, None)),
        (
            {"qubits": 40, "bond_bits": 20, "dynamic": True},
            GIB,
            ("aer", "matrix_product_state", Why.ONLY_FIT, None, None),
        ),
        (
            {"qubits": 26, "gates": 10, "long_gates": 5, "bond_bits": 2},
            MIB,
            ("aer", "matrix_product_state", Why.FASTEST, None, None),
        ),
        ({"qubits": 4, "bond_bits": 2} | NOISY, GIB, ("aer", "density_matrix", Why.FASTEST, None, None)),
        ({"qubits": 20} | NOISY, GIB, ("aer", "statevector", Why.FASTEST, None, None)),
        ({"qubits": 100, "bond_bits": 2} | NOISY, GIB, ("aer", "matrix_product_state", Why.FASTEST, None, None)),
        (CLIFFORD | NOISY, GIB, ("stim", "stabilizer", Why.CLIFFORD, None, None)),
    ],
)
def test_automatic(change: dict[str, Any], memory: int, expected: tuple[Any, ...]) -> None:
    circuit = BASE._replace(**change)
    bid = Stim().bid(circuit)
    assert short(choose(circuit, memory, "automatic", [bid] if bid else [])) == expected


def test_a_quick_small_run_stays_with_aer_and_a_longer_goes_to_stim() -> None:
    small = BASE._replace(qubits=8, bond_bits=1, gates=10, clifford=True, measurements=8)
    for shots, engine in ((1000, "aer"), (100_000, "stim")):
        circuit = small._replace(shots=shots)
        bid = Stim().bid(circuit)
        assert bid is not None
        assert short(choose(circuit, GIB, "automatic", [bid]))[0] == engine


def test_decay_is_not_for_stabilizers() -> None:
    circuit = BASE._replace(**CLIFFORD | {"bond_bits": 2, "errors": 5, "noise": "general"})
    assert Stim().bid(circuit) is None
    assert short(choose(circuit, GIB))[1] == "matrix_product_state"


def test_nothing_fits() -> None:
    found = choose(BASE._replace(qubits=40, bond_bits=20), 1 << 12)
    assert isinstance(found, NoPlan)
    assert found.reason == PubReason.MEMORY_LIMIT


def test_a_bid_that_needs_too_much_is_passed_over() -> None:
    greedy = Plan("other", "fast", Why.FASTEST, seconds=0.0, needed=2 * GIB)
    assert short(choose(BASE, GIB, "automatic", [greedy]))[0] == "aer"
    assert short(choose(BASE, 3 * GIB, "automatic", [greedy]))[0] == "other"


@pytest.mark.parametrize(
    ("method", "change"),
    [
        ("statevector", {}),
        ("density_matrix", {"qubits": 6}),
        ("stabilizer", {"clifford": True}),
        ("matrix_product_state", {}),
        ("statevector", {"qubits": 2, "clifford": True}),
    ],
)
def test_a_named_method_is_obeyed(method: Any, change: dict[str, Any]) -> None:
    fast = Plan("other", "fast", Why.FASTEST, seconds=0.0)
    assert short(choose(BASE._replace(**change), GIB, method, [fast]))[:3] == ("aer", method, Why.REQUESTED)


@pytest.mark.parametrize(
    ("method", "change", "reason", "figure"),
    [
        ("statevector", {"qubits": 30}, PubReason.MEMORY_LIMIT, "16384 MiB"),
        ("density_matrix", {"qubits": 15}, PubReason.MEMORY_LIMIT, "16384 MiB"),
        ("density_matrix", {"qubits": 1000}, PubReason.MEMORY_LIMIT, "896 MiB"),
        ("stabilizer", {}, PubReason.METHOD_UNSUITABLE, "Clifford"),
        ("stabilizer", {"clifford": True, "noise": "general"}, PubReason.METHOD_UNSUITABLE, "relaxation"),
    ],
)
def test_a_named_method_that_cannot_be_obeyed(
    method: Any, change: dict[str, Any], reason: PubReason, figure: str
) -> None:
    found = choose(BASE._replace(**change), GIB, method)
    assert isinstance(found, NoPlan)
    assert found.reason == reason
    assert figure in found.message


def test_figures() -> None:
    assert statevector_bytes(30) == 16 * GIB
    assert mps_bytes(40, largest_bond(40, GIB)) <= GIB
    assert probe_bond(1e-3) == 32
    assert probe_bond(0) == 1
    assert short(choose(BASE._replace(qubits=40, bond_bits=20), GIB)) is not None
    unknown = choose(BASE._replace(qubits=40, bond_bits=20), GIB)
    assert isinstance(unknown, Plan)
    assert unknown.seconds == math.inf


def test_profile() -> None:
    circuit = QuantumCircuit(6, 6)
    circuit.h(0)
    for i in range(5):
        circuit.cx(i, i + 1)
    circuit.barrier()
    circuit.measure(range(6), range(6))
    found = profile(circuit, 10)
    expected = Profile(6, 6, 6, 5, 1, clifford=False, dynamic=False, control_flow=False, shots=10, measurements=6)
    assert found == expected._replace(plain=True)
    circuit.t(0)
    assert profile(circuit, 10).dynamic


def test_profile_looks_into_blocks() -> None:
    circuit = QuantumCircuit(3, 1)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.t(2)
        circuit.cz(0, 2)
    found = profile(circuit, 1)
    assert (found.control_flow, found.long_gates, found.bond_bits) == (True, 2, 1)
