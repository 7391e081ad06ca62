"""Which engine and method run a circuit: pure functions of the circuit and the memory limit, never of the moment.

Aer's own `automatic` never falls back to matrix product states, and goes by width alone.
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
"""Those that `automatic` chooses from."""
SMALL: Final = 10
"""Up to this width a statevector is so small that no other method of Aer's is faster."""
CHEAP_SECONDS: Final = 2.0
"""A run estimated below this is not worth a search for something better."""
QUICK_SECONDS: Final = 2e-3
"""A small run estimated below this stays with Aer: whoever runs it on a laptop with the same seed has the same bits."""
SMALLEST_PROBE: Final = 8


class Plan(NamedTuple):
    """How to run it."""

    engine: str
    method: str
    why: Why
    seconds: float = math.inf
    """By the cost model; infinite where that is not known."""
    needed: int = 0
    """Bytes of the state."""
    bond_limit: int | None = None
    """Try with this limit, exact if it is not reached. Reached: `otherwise`."""
    otherwise: str | None = None


class NoPlan(NamedTuple):
    """Why it cannot be run."""

    reason: PubReason
    message: str


def choose(circuit: Profile, memory: int, method: Method = "automatic", bids: Iterable[Plan] = ()) -> Plan | NoPlan:
    """The plan, or why there is none. `bids` are those of the engines beside Aer."""
    room = available(memory)
    if method != "automatic":
        return _requested(circuit, room, method)
    aer = _automatic(circuit, room)
    if aer is not None and aer.why == Why.SMALL and aer.seconds <= QUICK_SECONDS:
        return aer
    found = [plan for plan in (aer, *bids) if plan is not None and plan.needed <= room]
    best = min(found, key=lambda plan: plan.seconds, default=None)
    return best or NoPlan(PubReason.MEMORY_LIMIT, nothing_fits(circuit.qubits, memory))


def nothing_fits(qubits: int, memory: int) -> str:
    return (
        f"A statevector of {qubits} qubits needs {size(cost_model.statevector_bytes(qubits))}; the pod's memory limit "
        f"leaves {size(available(memory))}, and the circuit is too entangled for a matrix product state. "
        "Raise spec.resources.limits.memory, or use fewer qubits."
    )


def size(number: int) -> str:
    mib = -(-number // 2**20)
    return f"{mib} MiB" if mib < 2**20 else f"2^{number.bit_length() - 21} MiB"


def _automatic(circuit: Profile, room: int) -> Plan | None:
    """Aer's method; None where none can hold the state."""
    known = _exact_methods(circuit, room)
    if "statevector" in known and circuit.qubits <= SMALL and not circuit.errors:
        return known["statevector"]._replace(why=Why.SMALL)
    best = min(known.values(), key=lambda plan: plan.seconds, default=None)
    if best is not None and (best.seconds <= CHEAP_SECONDS or circuit.clifford or circuit.errors):
        return best
    if best is None:
        return _as_far_as_it_goes(circuit, room, Why.ONLY_FIT)
    bond = cost_model.probe_bond(best.seconds / max(1, circuit.long_gates))
    if _is_logged(circuit) and bond >= SMALLEST_PROBE and best.method != "matrix_product_state":
        return best._replace(method="matrix_product_state", bond_limit=bond, otherwise=best.method)
    return best


def _exact_methods(circuit: Profile, room: int) -> dict[str, Plan]:
    """The methods that surely hold the state in this room."""
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
    if (mps := _bounded_mps(circuit, room)) is not None:
        plans.append(mps)
    return {plan.method: plan for plan in plans if plan.needed <= room}


def _bounded_mps(circuit: Profile, room: int) -> Plan | None:
    """As a matrix product state whose bonds cannot grow beyond what fits."""
    if circuit.bond_bits >= 30:
        return None
    bond = 1 << circuit.bond_bits
    needed = cost_model.mps_bytes(circuit.qubits, bond)
    if needed > room:
        return None
    return Plan("aer", "matrix_product_state", Why.FASTEST, cost_model.mps_seconds(circuit, bond), needed)


def _as_far_as_it_goes(circuit: Profile, room: int, why: Why) -> Plan | None:
    """As a matrix product state, with the largest bonds that fit; it may turn out that they do not do."""
    limit = min(cost_model.largest_bond(circuit.qubits, room), cost_model.LARGEST_BOND)
    if limit < 2:
        return None
    return Plan("aer", "matrix_product_state", why, bond_limit=limit if _is_logged(circuit) else None)


def _is_logged(circuit: Profile) -> bool:
    runs_once = not circuit.dynamic and not circuit.errors
    return runs_once and circuit.long_gates * (40 + 4 * circuit.qubits) <= cost_model.LOG_BYTES


def _requested(circuit: Profile, room: int, method: Method) -> Plan | NoPlan:
    if (message := _unsuitable(circuit, method)) is not None:
        return NoPlan(PubReason.METHOD_UNSUITABLE, f"{message} Leave spec.backend.method out, or name another.")
    if method == "matrix_product_state":
        plan = _bounded_mps(circuit, room) or _as_far_as_it_goes(circuit, room, Why.REQUESTED)
        return (
            plan._replace(why=Why.REQUESTED)
            if plan
            else _no_room(cost_model.mps_bytes(circuit.qubits, 2), room, method)
        )
    needed, seconds = {
        "statevector": (cost_model.statevector_bytes(circuit.qubits), cost_model.statevector_seconds(circuit)),
        "density_matrix": (cost_model.density_matrix_bytes(circuit.qubits), cost_model.density_matrix_seconds(circuit)),
        "stabilizer": (cost_model.stabilizer_bytes(circuit.qubits), cost_model.stabilizer_seconds(circuit)),
    }.get(method, (0, math.inf))
    if needed > room:
        return _no_room(needed, room, method)
    return Plan("aer", method, Why.REQUESTED, seconds, needed)


def _unsuitable(circuit: Profile, method: Method) -> str | None:
    """What the method cannot do with this circuit, whatever memory it had."""
    if method == "stabilizer" and not circuit.clifford:
        return "The method stabilizer runs Clifford gates only, and the circuit has others."
    if method == "stabilizer" and circuit.noise == "general":
        return "The method stabilizer has no relaxation noise."
    return None


def _no_room(needed: int, room: int, method: Method) -> NoPlan:
    return NoPlan(
        PubReason.MEMORY_LIMIT,
        f"By the method {method} the circuit needs {size(needed)}; the pod's memory limit leaves {size(room)}. "
        "Raise spec.resources.limits.memory, use fewer qubits, or leave spec.backend.method out.",
    )
