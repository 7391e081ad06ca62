"""`python -m benchmarks.engines`: compares the router of this project with Aer with default options on a mixed suite.

Each run is a separate process with a time limit, since Aer cannot be interrupted. The time is from a circuit in memory
to samples: the best of a process's runs, and of five alternating processes of each side the median, since a machine's
speed and a process's memory layout vary. A ratio above 1 is in favour of the second side.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Literal

import numpy as np
from qiskit import QuantumCircuit

SHOTS: Final = 1024
LIMIT_SECONDS: Final = 60
MEMORY: Final = 4 << 30
REPEAT_SECONDS: Final = 0.5
PROCESSES: Final = 5


def ghz(qubits: int) -> QuantumCircuit:
    circuit = QuantumCircuit(qubits)
    circuit.h(0)
    for qubit in range(qubits - 1):
        circuit.cx(qubit, qubit + 1)
    return circuit


def clifford(qubits: int) -> QuantumCircuit:
    """Twenty layers of random gates on one qubit and on random pairs."""
    rng = np.random.default_rng(qubits)
    circuit = QuantumCircuit(qubits)
    for _ in range(20):
        for qubit in range(qubits):
            getattr(circuit, ["h", "s", "x", "sx"][rng.integers(4)])(qubit)
        order = [int(qubit) for qubit in rng.permutation(qubits)]
        for pair in zip(order[::2], order[1::2], strict=False):
            circuit.cx(*pair)
    return circuit


def qft(qubits: int) -> QuantumCircuit:
    circuit = QuantumCircuit(qubits)
    circuit.x(range(0, qubits, 2))
    for target in reversed(range(qubits)):
        circuit.h(target)
        for control in range(target):
            circuit.cp(math.pi / 2 ** (target - control), control, target)
    return circuit


def random(qubits: int) -> QuantumCircuit:
    """As many layers as qubits, between random pairs: only a statevector can hold the state."""
    rng = np.random.default_rng(qubits)
    circuit = QuantumCircuit(qubits)
    for _ in range(qubits):
        for qubit in range(qubits):
            circuit.u(*rng.uniform(0, 2 * math.pi, 3), qubit)
        order = [int(qubit) for qubit in rng.permutation(qubits)]
        for pair in zip(order[::2], order[1::2], strict=False):
            circuit.cx(*pair)
    return circuit


def qaoa(qubits: int) -> QuantumCircuit:
    """MaxCut on a ring, three layers."""
    circuit = QuantumCircuit(qubits)
    circuit.h(range(qubits))
    for layer in range(3):
        for qubit in range(qubits):
            circuit.rzz(0.4 + layer / 5, qubit, (qubit + 1) % qubits)
        circuit.rx(0.9 - layer / 4, range(qubits))
    return circuit


def brickwork(qubits: int) -> QuantumCircuit:
    """Eight layers of gates between neighbours on a line."""
    rng = np.random.default_rng(qubits)
    circuit = QuantumCircuit(qubits)
    for layer in range(8):
        for qubit in range(qubits):
            circuit.u(*rng.uniform(0, 2 * math.pi, 3), qubit)
        for qubit in range(layer % 2, qubits - 1, 2):
            circuit.cx(qubit, qubit + 1)
    return circuit


SUITE: Final[dict[Callable[[int], QuantumCircuit], tuple[int, ...]]] = {
    ghz: (2, 20, 100, 1000),
    clifford: (10, 20, 100, 500),
    qft: (10, 20, 24),
    random: (10, 16, 22),
    qaoa: (10, 20, 24, 40),
    brickwork: (10, 20, 26, 50),
}


SINGLE: Final[dict[Callable[[int], QuantumCircuit], tuple[int, ...]]] = {
    qft: (20,),
    random: (16, 20, 22, 24),
    qaoa: (20,),
}
"""Circuits that gain by single precision: those for which a statevector is the best method."""


def by_aer(circuit: QuantumCircuit) -> str:
    from qiskit_aer import AerSimulator  # noqa: PLC0415  each process imports only what it measures

    result = AerSimulator().run(circuit, shots=SHOTS, seed_simulator=1).result()
    if not result.success:
        raise RuntimeError(str(result.status))
    result.get_counts()
    return str(result.results[0].metadata["method"])


def by_router(circuit: QuantumCircuit, amplitudes: Literal["double", "single"] = "double") -> str:
    from quantumjob_contract.schema.results import PubMetadata  # noqa: PLC0415
    from quantumjob_worker.ipc import Task  # noqa: PLC0415
    from quantumjob_worker.passes import normalize  # noqa: PLC0415
    from quantumjob_worker.primitives import sampler  # noqa: PLC0415

    task = Task(
        index=0,
        name="",
        format="QPY",
        shots=SHOTS,
        seed=1,
        threads=len(os.sched_getaffinity(0)),
        memory=MEMORY,
        parse_seconds=LIMIT_SECONDS,
        amplitudes=amplitudes,
    )
    metadata, _ = sampler.sample(normalize.normalize(circuit), task, PubMetadata(1, SHOTS))
    return f"{metadata.engine.split()[0]} {metadata.method}, {metadata.why}"


def measure(side: str, family: str, width: int) -> None:
    """Prints the best time of a few runs as JSON."""
    circuit = next(make for make in SUITE if make.__name__ == family)(width)
    circuit.measure_all()
    sides: dict[str, Callable[[QuantumCircuit], str]] = {
        "aer": by_aer,
        "router": by_router,
        "single": partial(by_router, amplitudes="single"),
    }
    run = sides[side]
    warm = ghz(2)
    warm.measure_all()
    run(warm)
    best, began = math.inf, time.perf_counter()
    while True:
        start = time.perf_counter()
        how = run(circuit)
        best = min(best, time.perf_counter() - start)
        if time.perf_counter() - began > REPEAT_SECONDS:
            break
    print(json.dumps({"seconds": best, "how": how}))


def measured(side: str, family: str, width: int) -> dict[str, Any]:
    # The environment of the worker's image; Aer with default options gets none.
    environment = os.environ | ({"OMP_WAIT_POLICY": "passive"} if side != "aer" else {})
    command = [sys.executable, "-m", "benchmarks.engines", side, family, str(width)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False, env=environment
        )
    except subprocess.TimeoutExpired:
        return {"seconds": None, "how": f"over {LIMIT_SECONDS} s"}
    return json.loads(done.stdout) if done.returncode == 0 else {"seconds": None, "how": "refused"}


def alternating(first: str, second: str, family: str, width: int) -> list[dict[str, Any]]:
    """Returns the median process of each side; a side that does not finish is run once."""
    runs: dict[str, list[dict[str, Any]]] = {first: [], second: []}
    for _ in range(PROCESSES):
        for side, found in runs.items():
            if not found or found[-1]["seconds"]:
                found.append(measured(side, family, width))
    return [sorted(found, key=lambda one: one["seconds"] or math.inf)[len(found) // 2] for found in runs.values()]


def compare(suite: dict[Callable[[int], QuantumCircuit], tuple[int, ...]], first: str, second: str) -> None:
    """Prints a table of both sides, and the geometric mean of the speedups of the second."""
    named = {"aer": "Aer `automatic`", "router": "router", "single": "router, single precision"}
    print(f"| circuit | qubits | {named[first]} | seconds | {named[second]} | seconds | ratio |")
    print("|---|---|---|---|---|---|---|")
    ratios = []
    for make, widths in suite.items():
        for width in widths:
            both = alternating(first, second, make.__name__, width)
            ratio = ""
            if all(found["seconds"] for found in both):
                ratios.append(both[0]["seconds"] / both[1]["seconds"])
                ratio = f"{ratios[-1]:.2f}"
            cells = [
                f"{found['how']} | {found['seconds']:.4f}" if found["seconds"] else f"{found['how']} | "
                for found in both
            ]
            print(f"| {make.__name__} | {width} | {' | '.join(cells)} | {ratio} |", flush=True)
    print(f"\nGeometric mean of {len(ratios)} ratios: {math.exp(sum(map(math.log, ratios)) / len(ratios)):.2f}\n")


def main() -> None:
    compare(SUITE, "aer", "router")
    compare(SINGLE, "router", "single")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    else:
        main()
