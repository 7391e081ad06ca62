"""Samples of a circuit by a given engine or method."""

from __future__ import annotations

from collections import Counter

from exact import joint
from qiskit import QuantumCircuit

from quantumjob_contract.schema.backend import NoiseModel
from quantumjob_worker.engines import engines
from quantumjob_worker.engines.base import Run
from quantumjob_worker.passes import features, normalize, to_clifford
from quantumjob_worker.passes.insert_noise import NoiseChannels
from quantumjob_worker.primitives.bit_arrays import registers
from quantumjob_worker.routing import router
from quantumjob_worker.routing.router import Plan

SHOTS = 4000
MEMORY = 1 << 30


def sampled(
    method: str, circuit: QuantumCircuit, *, shots: int = SHOTS, seed: int = 1, noise: NoiseModel | None = None
) -> Counter[str]:
    errors = None if noise is None else NoiseChannels(noise)
    normal = normalize.normalize(circuit.copy(), errors)
    simple = to_clifford.rewrite(normal)
    found = features.profile(
        normal, shots, clifford=simple is not None, noise=errors.kind if errors is not None else ""
    )
    plan = engines()[method].bid(found) if method in engines() else router.choose(found, MEMORY, method)  # type: ignore[arg-type]
    assert isinstance(plan, Plan), plan
    runnable = simple if plan.method == "stabilizer" and simple is not None else normal
    run = Run(shots=shots, seed=seed, threads=1, memory=MEMORY, errors=errors)
    bits = engines()[plan.engine].sample(runnable, plan, run).bits
    return joint(registers(normal, bits))
