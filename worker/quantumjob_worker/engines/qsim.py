"""qsim: statevectors in single precision, many times faster than Aer's, for a spec that allows this precision.

Uses only the compiled simulator of the package `qsimcirq`, since its Python part needs Cirq. The package is installed
without dependencies, and the compiled module is loaded by its path.
"""

from __future__ import annotations

from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.metadata import version
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator

from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.results import Why
from quantumjob_worker.engines.base import Bits, Run, Sampled, packed_bytes
from quantumjob_worker.errors import PubFailed, out_of_memory
from quantumjob_worker.passes.features import Profile
from quantumjob_worker.routing.router import Plan

PACKAGE: Final = "qsimcirq"
BUILDS: Final = ("avx2", "avx2", "sse", "basic")
"""Builds by CPU feature. AVX-512 uses the AVX2 build: bits depend on the vector width, and nodes differ in it."""
MOST_QUBITS: Final = 34
OPTIONS: Final = {"f": 3, "r": 1, "v": 0, "z": False, "g": False, "gmode": 0, "gsst": 512, "gdb": 16}
"""qsim requires all of these. Fusing into gates of three qubits (f) is the fastest from 16 to 22 qubits [m]; no GPU."""
CALL_SECONDS: Final = 3e-4
GATE_SECONDS: Final = 1e-5
"""Time to add a gate to qsim's circuit."""
AMPLITUDE_SECONDS: Final = 2e-10
SHOT_SECONDS: Final = 3e-7
SHOT_BYTES: Final = 128
GATE_BYTES: Final = 1024
LINK_BYTES: Final = 24
"""Memory of a gate: the first, twice while it is added, and for fusing the second for each qubit."""


class Qsim:
    """The engine for circuits of gates, measured at their end."""

    name = "qsim"
    precision = "single"

    def __init__(self, build: str) -> None:
        self.version = f"{version(PACKAGE)}+{build}"
        self._qsim = _module(f"qsim_{build}")

    def bid(self, circuit: Profile) -> Plan | None:
        if not circuit.plain or circuit.qubits > MOST_QUBITS:
            return None
        gate = GATE_SECONDS + AMPLITUDE_SECONDS * 2**circuit.qubits
        seconds = CALL_SECONDS + circuit.gates * gate + circuit.shots * SHOT_SECONDS
        needed = _state_bytes(circuit.qubits) + circuit.shots * SHOT_BYTES
        needed += circuit.gates * (GATE_BYTES + LINK_BYTES * circuit.qubits)
        return Plan(self.name, "statevector", Why.FASTEST, seconds, needed)

    def sample(self, circuit: QuantumCircuit, plan: Plan, run: Run) -> Sampled:
        program, measured = self._written(circuit)
        options = OPTIONS | {"c": program, "s": run.seed, "t": run.threads}
        np.empty(_state_bytes(circuit.num_qubits), np.uint8)  # raises MemoryError where qsim would crash
        found = self._qsim.qsim_sample_final(options, run.shots)
        if len(found) != run.shots:
            raise PubFailed(PubReason.MEMORY_LIMIT, out_of_memory(run.memory))
        states = np.array(found, np.uint64)
        np.random.default_rng(run.seed).shuffle(states)  # qsim returns them sorted
        return Sampled(_bits(states, measured, circuit.num_clbits), plan.method)

    def _written(self, circuit: QuantumCircuit) -> tuple[Any, dict[int, int]]:
        """Returns qsim's circuit, and the measured qubit of each classical bit."""
        program = self._qsim.Circuit()
        program.num_qubits = circuit.num_qubits
        qubits = {qubit: index for index, qubit in enumerate(circuit.qubits)}
        clbits = {clbit: index for index, clbit in enumerate(circuit.clbits)}
        measured: dict[int, int] = {}
        for time, instruction in enumerate(circuit.data):
            on = [qubits[qubit] for qubit in instruction.qubits]
            if instruction.name == "measure":
                measured[clbits[instruction.clbits[0]]] = on[0]
            elif instruction.name != "barrier":
                matrix = np.ascontiguousarray(Operator(instruction.operation).data, np.complex128)
                self._qsim.add_matrix_gate(time, on[::-1], matrix.view(np.float64).ravel().tolist(), program)
        return program, measured


def _state_bytes(qubits: int) -> int:
    return 8 << qubits


def _bits(states: NDArray[np.uint64], measured: dict[int, int], clbits: int) -> Bits:
    size = packed_bytes(clbits)
    rows = np.zeros((len(states), size), np.uint8)
    for clbit, qubit in measured.items():
        bit = (states >> np.uint64(qubit)).astype(np.uint8) & 1
        rows[:, size - 1 - clbit // 8] |= bit << (clbit % 8)
    return rows


def installed() -> list[Qsim]:
    """Returns the engine if its package is installed and supports this CPU."""
    try:
        return [Qsim(BUILDS[_module("qsim_decide").detect_instructions()])]
    except (ImportError, IndexError):
        return []


def _module(name: str) -> Any:
    """Loads a compiled module without importing its package. Raises ImportError."""
    package = find_spec(PACKAGE)
    for folder in (package and package.submodule_search_locations) or ():
        for path in (Path(folder, name + suffix) for suffix in EXTENSION_SUFFIXES):
            if path.exists():
                loader = ExtensionFileLoader(name, str(path))
                module = module_from_spec(ModuleSpec(name, loader, origin=str(path)))
                loader.exec_module(module)
                return module
    raise ImportError(name)
