"""The circuits of MQT Bench, and what Qiskit's exporters make of them."""

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
    """Each with its family's name; those of some families only where they are named."""
    for name in only or get_available_benchmark_names():
        for width in WIDTHS:
            try:
                circuit = get_benchmark(name, BenchmarkLevel.INDEP, width)
            except Exception:  # noqa: BLE001, S112  no such width of this one, which libraries say each in its own way
                continue
            if circuit.num_qubits > WIDTHS[-1]:
                continue
            if "measure" not in circuit.count_ops():
                circuit.measure_all()
            yield name, circuit


def written(circuit: QuantumCircuit, format_: Format) -> bytes | None:
    """The circuit in this format; None where Qiskit cannot write it."""
    if format_ == "QPY":
        buffer = io.BytesIO()
        qpy.dump(circuit, buffer)
        return buffer.getvalue()
    dumps = qasm2.dumps if format_ == "OpenQASM2" else qasm3.dumps
    try:
        return dumps(circuit).encode()
    except Exception:  # noqa: BLE001  each exporter has errors of its own, and some are defects
        return None
