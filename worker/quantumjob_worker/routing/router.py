"""Chooses engine and method of a circuit. Depends on the circuit and the memory limit only, so that retries agree.

Aer's own `automatic` decides by width alone, and never uses matrix product states.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, NamedTuple

from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.backend import Method
from quantumjob_contract.schema.results import Why
from quantumjob_worker.passes.features import Profile
from quantumjob_worker.routing import cost_model
from quantumjob_worker.routing.cost_model import available

METHODS: Final[tuple[Method, ...]] = ("statevector", "density_matrix", "stabilizer", "matrix_product_state")
"""The methods that `automatic` chooses from."""
SMALL_QUBITS: Final = 10
"""Up to this width no other method of Aer is faster than a statevector."""
MPS_PROBE_SECONDS: Final = 2.0
"""Below this estimate no matrix product state is tried."""
AER_SECONDS: Final = 2e-3
"""A small run below this estimate stays with Aer, so that Aer elsewhere gives the same bits for the same seed."""
SMALLEST_PROBE: Final = 8


class Plan(NamedTuple):
    """How to run a circuit."""

    engine: str
    method: str
    why: Why
    seconds: float = math.inf
    """By the cost model; infinite if unknown."""
    needed: int = 0
    """Bytes of the state."""
    bond_limit: int | None = None
    """Largest bond of a first try, which is exact if no bond reaches it. Otherwise the method is `fallback`."""
    fallback: str | None = None


class NoPlan(NamedTuple):
    """Why no method can run the circuit."""

    reason: PubReason
    message: str


def choose(circuit: Profile, memory: int, method: Method = "automatic", bids: Iterable[Plan] = ()) -> Plan | NoPlan:
    """Returns the plan with the lowest estimate, or why there is none. `bids` are the plans of engines besides Aer."""
    state_memory = available(memory)
    if method != "automatic":
        return _requested(circuit, state_memory, method)
    aer = _choose_method(circuit, state_memory)
    if aer is not None and aer.why == Why.SMALL and aer.seconds <= AER_SECONDS:
        return aer
    found = [plan for plan in (aer, *bids) if plan is not None and plan.needed <= state_memory]
    best = min(found, key=lambda plan: plan.seconds, default=None)
    return best or NoPlan(PubReason.MEMORY_LIMIT, no_method_message(circuit.qubits, memory))


def no_method_message(qubits: int, memory: int) -> str:
    return (
        f"A statevector of {qubits} qubits needs {size(cost_model.statevector_bytes(qubits))}; the pod's memory limit "
        f"leaves {size(available(memory))}, and the circuit is too entangled for a matrix product state. "
        "Raise spec.resources.limits.memory, or use fewer qubits."
    )


def size(number: int) -> str:
    mib = -(-number // 2**20)
    return f"{mib} MiB" if mib < 2**20 else f"2^{number.bit_length() - 21} MiB"


def _choose_method(circuit: Profile, state_memory: int) -> Plan | None:
    """Returns the plan for Aer; None if no method can hold the state."""
    known = _exact_methods(circuit, state_memory)
    if "statevector" in known and circuit.qubits <= SMALL_QUBITS and not circuit.errors:
        return known["statevector"]._replace(why=Why.SMALL)
    best = min(known.values(), key=lambda plan: plan.seconds, default=None)
    if best is not None and (best.seconds <= MPS_PROBE_SECONDS or circuit.clifford or circuit.errors):
        return best
    if best is None:
        return _limited_mps(circuit, state_memory, Why.ONLY_FIT)
    bond = cost_model.probe_bond(best.seconds / max(1, circuit.long_gates))
    if _is_logged(circuit) and bond >= SMALLEST_PROBE and best.method != "matrix_product_state":
        return best._replace(method="matrix_product_state", bond_limit=bond, fallback=best.method)
    return best


def _exact_methods(circuit: Profile, state_memory: int) -> dict[str, Plan]:
    """Returns plans of the methods that hold the state in this memory whatever the entanglement."""
    plans = [
        Plan(
            "aer",
            "statevector",
            Why.FASTEST,
            cost_model.statevector_seconds(circuit),
            cost_model.statevector_bytes(circuit.qubits),
        )
    ]
    if circuit.errors:
        needed = cost_model.density_matrix_bytes(circuit.qubits)
        plans.append(Plan("aer", "density_matrix", Why.FASTEST, cost_model.density_matrix_seconds(circuit), needed))
    if circuit.clifford and circuit.noise != "general":
        needed = cost_model.stabilizer_bytes(circuit.qubits)
        plans.append(Plan("aer", "stabilizer", Why.CLIFFORD, cost_model.stabilizer_seconds(circuit), needed))
    if (mps := _bounded_mps(circuit, state_memory)) is not None:
        plans.append(mps)
    return {plan.method: plan for plan in plans if plan.needed <= state_memory}


def _bounded_mps(circuit: Profile, state_memory: int) -> Plan | None:
    """Returns a plan for a matrix product state whose largest possible bond fits; None if it does not."""
    if circuit.bond_bits >= 30:
        return None
    bond = 1 << circuit.bond_bits
    needed = cost_model.mps_bytes(circuit.qubits, bond)
    if needed > state_memory:
        return None
    return Plan("aer", "matrix_product_state", Why.FASTEST, cost_model.mps_seconds(circuit, bond), needed)


def _limited_mps(circuit: Profile, state_memory: int, why: Why) -> Plan | None:
    """Returns a plan for a matrix product state with the largest bond that fits, which the run may exceed."""
    limit = min(cost_model.largest_bond(circuit.qubits, state_memory), cost_model.LARGEST_BOND)
    if limit < 2:
        return None
    return Plan("aer", "matrix_product_state", why, bond_limit=limit if _is_logged(circuit) else None)


def _is_logged(circuit: Profile) -> bool:
    runs_once = not circuit.dynamic and not circuit.errors
    return runs_once and circuit.long_gates * (40 + 4 * circuit.qubits) <= cost_model.LOG_BYTES


def _requested(circuit: Profile, state_memory: int, method: Method) -> Plan | NoPlan:
    if (message := _unsuitable(circuit, method)) is not None:
        return NoPlan(PubReason.METHOD_UNSUITABLE, f"{message} Remove spec.backend.method, or choose another.")
    if method == "matrix_product_state":
        plan = _bounded_mps(circuit, state_memory) or _limited_mps(circuit, state_memory, Why.REQUESTED)
        return (
            plan._replace(why=Why.REQUESTED)
            if plan
            else _too_large(cost_model.mps_bytes(circuit.qubits, 2), state_memory, method)
        )
    needed, seconds = {
        "statevector": (cost_model.statevector_bytes(circuit.qubits), cost_model.statevector_seconds(circuit)),
        "density_matrix": (cost_model.density_matrix_bytes(circuit.qubits), cost_model.density_matrix_seconds(circuit)),
        "stabilizer": (cost_model.stabilizer_bytes(circuit.qubits), cost_model.stabilizer_seconds(circuit)),
    }.get(method, (0, math.inf))
    if needed > state_memory:
        return _too_large(needed, state_memory, method)
    return Plan("aer", method, Why.REQUESTED, seconds, needed)


def _unsuitable(circuit: Profile, method: Method) -> str | None:
    """Returns why the method cannot run the circuit with any memory; None if it can."""
    if method == "stabilizer" and not circuit.clifford:
        return "The circuit has gates that are not Clifford, which the method stabilizer cannot run."
    if method == "stabilizer" and circuit.noise == "general":
        return "The noise has relaxation, which the method stabilizer cannot simulate."
    return None


def _too_large(needed: int, state_memory: int, method: Method) -> NoPlan:
    return NoPlan(
        PubReason.MEMORY_LIMIT,
        f"By the method {method} the circuit needs {size(needed)}; the pod's memory limit leaves {size(state_memory)}. "
        "Raise spec.resources.limits.memory, use fewer qubits, or remove spec.backend.method.",
    )
