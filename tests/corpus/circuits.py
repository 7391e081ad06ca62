"""The circuits of MQT Bench, and their export by Qiskit."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Final

from mqt.bench import BenchmarkLevel, get_benchmark
from mqt.bench.benchmarks import get_available_benchmark_names
from qiskit import QuantumCircuit, qasm2, qasm3, qpy

from quantumjob_contract.schema.program import Format

WIDTHS: Final = range(2, 13)
FORMATS: Final[tuple[Format, ...]] = ("OpenQASM2", "OpenQASM3", "QPY")


def circuits(only: list[str]) -> Iterator[tuple[str, QuantumCircuit]]:
    """Yields each circuit with the name of its family; of all families, or of those that are named."""
    for name in only or get_available_benchmark_names():
        for width in WIDTHS:
            try:
                circuit = get_benchmark(name, BenchmarkLevel.INDEP, width)
            except Exception:  # noqa: BLE001, S112  no such width of this family; each library raises another error
                continue
            if circuit.num_qubits > WIDTHS[-1]:
                continue
            if "measure" not in circuit.count_ops():
                circuit.measure_all()
            yield name, circuit


def exported(circuit: QuantumCircuit, format_: Format) -> bytes | None:
    """Exports the circuit; None where Qiskit cannot write it in this format."""
    if format_ == "QPY":
        buffer = io.BytesIO()
        qpy.dump(circuit, buffer)
        return buffer.getvalue()
    dumps = qasm2.dumps if format_ == "OpenQASM2" else qasm3.dumps
    try:
        return dumps(circuit).encode()
    except Exception:  # noqa: BLE001  the exporters raise different errors, some of them defects
        return None
