"""`make corpus`: every circuit of MQT Bench, 2 to 12 qubits, in all three formats, against its exact distribution.

Each goes as bytes through what a pub's child does: load, normalise, route, simulate. Writes docs/corpus.md. Fails
where a distribution differs or a circuit is refused.
"""

from __future__ import annotations

import io
import sys
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from mqt.bench import BenchmarkLevel, get_benchmark
from mqt.bench.benchmarks import get_available_benchmark_names
from qiskit import QuantumCircuit, qasm2, qasm3, qpy
from qiskit.quantum_info import Statevector

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/unit/worker"))

from exact import ALARM, distribution, joint, surprise  # noqa: E402
from worker_tasks import run  # noqa: E402

WIDTHS: Final = range(2, 13)
SHOTS: Final = 1000
DYNAMIC_WIDTH: Final = 6
"""Circuits that act on what they measured are worked out by density matrices, which is slow."""
LARGEST: Final = 300_000
"""Bytes of text above which a circuit is left out: the OpenQASM 3 parser would take minutes."""

HEAD: Final = f"""\
# Corpus: MQT Bench

Written by `make corpus`: [MQT Bench](https://pypi.org/project/mqt.bench/) at its target-independent level,
2 to 12 qubits, {SHOTS} shots, through the worker's loaders, router and engines, against exact distributions by a
chi-square test (false alarm {ALARM:g} for each). Circuits that Qiskit's exporter cannot write in a language are not
exported; those that act on what they measured are worked out up to {DYNAMIC_WIDTH} qubits.
"""


def circuits() -> Iterator[tuple[str, QuantumCircuit]]:
    for name in get_available_benchmark_names():
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


def texts(circuit: QuantumCircuit) -> dict[str, bytes | None]:
    """The circuit in each format; None where Qiskit cannot write it."""
    found: dict[str, bytes | None] = {}
    for format_, dumps in (("OpenQASM2", qasm2.dumps), ("OpenQASM3", qasm3.dumps)):
        try:
            found[format_] = dumps(circuit).encode()
        except Exception:  # noqa: BLE001  each exporter has errors of its own, and some are defects
            found[format_] = None
    buffer = io.BytesIO()
    qpy.dump(circuit, buffer)
    return found | {"QPY": buffer.getvalue()}


def exact(circuit: QuantumCircuit) -> dict[str, float] | None:
    """The distribution of all classical bits; None where it is too wide to be worked out."""
    measured: dict[Any, Any] = {}
    rest = circuit.copy_empty_like()
    for part in circuit.data:
        if part.name == "measure":
            measured[part.clbits[0]] = part.qubits[0]
        elif part.name != "barrier":
            if part.name in ("if_else", "reset") or not set(measured.values()).isdisjoint(part.qubits):
                return distribution(circuit) if circuit.num_qubits <= DYNAMIC_WIDTH else None
            rest.append(part)
    chances = Statevector(rest).probabilities()
    shifts = [rest.find_bit(measured[bit]).index if bit in measured else None for bit in circuit.clbits]
    found: defaultdict[str, float] = defaultdict(float)
    for state in np.flatnonzero(chances > 1e-12):
        bits = ["0" if shift is None else str(int(state) >> shift & 1) for shift in reversed(shifts)]
        found["".join(bits)] += float(chances[state])
    return dict(found)


def checked(data: bytes, format_: Any, expected: dict[str, float]) -> tuple[str, str]:
    """The outcome in a word, and what ran."""
    report = run(data, format_, shots=SHOTS)
    if report.result.data is None:
        return f"refused: {report.result.error and report.result.error.reason}", ""
    how = f"{report.result.metadata.engine.split()[0]} {report.result.metadata.method}"
    return ("agrees" if surprise(joint(report.result.data), expected) > ALARM else "differs"), how


def main() -> int:
    warnings.simplefilter("ignore")
    outcomes: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    widths: dict[str, set[int]] = defaultdict(set)
    engines: dict[str, Counter[str]] = defaultdict(Counter)
    for name, circuit in circuits():
        expected = exact(circuit)
        for format_, data in texts(circuit).items():
            how = ""
            if expected is None:
                outcome = "too wide to be worked out"
            elif data is None:
                outcome = "not exported"
            elif len(data) > LARGEST:
                outcome = "left out"
            else:
                outcome, how = checked(data, format_, expected)
            outcomes[name][format_, outcome] += 1
            widths[name].add(circuit.num_qubits)
            engines[name][how] += bool(how)
            if failed(outcome):
                sys.stdout.write(f"{name} {circuit.num_qubits} {format_}: {outcome}\n")
        sys.stdout.write(f"{name} {circuit.num_qubits}\n")
        sys.stdout.flush()
    (ROOT / "docs/corpus.md").write_text(page(outcomes, widths, engines))
    bad = [outcome for found in outcomes.values() for _, outcome in found if failed(outcome)]
    return 1 if bad else 0


def failed(outcome: str) -> bool:
    """The OpenQASM 3 loader has not all of the language, and says so."""
    return outcome.startswith(("differs", "refused")) and "UnsupportedFormat" not in outcome


def page(outcomes: Any, widths: Any, engines: Any) -> str:
    total: Counter[str] = Counter()
    lines = []
    for name, found in outcomes.items():
        cells = []
        for format_ in ("OpenQASM2", "OpenQASM3", "QPY"):
            parts = {outcome: count for (kind, outcome), count in found.items() if kind == format_}
            total.update(parts)
            cells.append(", ".join(f"{count} {outcome}" for outcome, count in parts.items()))
        ran = ", ".join(f"{how} ({count})" for how, count in engines[name].most_common() if how)
        span = ", ".join(map(str, sorted(widths[name])))
        lines.append(f"| {name} | {span} | {' | '.join(cells)} | {ran} |")
    summary = ", ".join(f"{count} {outcome}" for outcome, count in total.most_common())
    return "\n".join([
        HEAD,
        f"In all: {summary}.",
        "",
        "| circuit | qubits | OpenQASM 2 | OpenQASM 3 | QPY | ran on |",
        "|---|---|---|---|---|---|",
        *lines,
        "",
    ])  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
