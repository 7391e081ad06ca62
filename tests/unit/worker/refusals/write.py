"""Writes the corpus anew: `python tests/unit/worker/refusals/write.py`. Much of it is too long, or no text."""

from __future__ import annotations

import gzip
import io
import json
import math
from pathlib import Path
from typing import Any, Final

import numpy as np
from qiskit import QuantumCircuit, qpy
from qiskit.circuit import Parameter
from qiskit.circuit.library import UnitaryGate

HERE: Final = Path(__file__).parent
HEAD2: Final = 'OPENQASM 2.0;\ninclude "qelib1.inc";\n'
HEAD3: Final = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n'
BELL2: Final = HEAD2 + "qreg q[2];\ncreg c[2];\nh q[0];\ncx q[0], q[1];\nmeasure q -> c;\n"
BELL3: Final = HEAD3 + "qubit[2] q;\nbit[2] c;\nh q[0];\ncx q[0], q[1];\nc = measure q;\n"
TWO: Final = HEAD2 + "qreg q[1];\n"
THREE: Final = HEAD3 + "qubit q;\nbit c;\n"
END2: Final = "creg c[1];\nmeasure q -> c;\n"
END3: Final = "c = measure q;\n"
REST3: Final = "qubit q;\nbit c;\n" + END3
PATHS: Final = {"absolute": "/etc/passwd", "relative": "../../../../../../etc/passwd", "proc": "/proc/self/environ"}
MIB: Final = 1 << 20


def write(reason: str, name: str, data: str | bytes, **options: Any) -> None:
    """A circuit under the reason that it has; `options` are of its pub: shots, parameterValues."""
    path = HERE / reason / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    if options:
        path.with_name(f"{name}.json").write_text(json.dumps(options) + "\n")


def dumped(*circuits: QuantumCircuit, version: int = 13) -> bytes:
    buffer = io.BytesIO()
    qpy.dump(list(circuits), buffer, version=version)
    return buffer.getvalue()


def bell(*, metadata: dict[str, Any] | None = None) -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2, name="secret_name", metadata=metadata)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    return circuit


def turned(angle: Any) -> QuantumCircuit:
    circuit = QuantumCircuit(1, 1)
    circuit.rx(angle, 0)
    circuit.measure(0, 0)
    return circuit


def edited(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


def width_bombs() -> None:
    for size, name in (("10000000", "width-bomb"), ("99999999999999999999", "width-bomb-beyond-64-bits")):
        write("CircuitTooLarge", f"{name}.qasm2", f"{HEAD2}qreg q[{size}];\n{END2}")
        write("CircuitTooLarge", f"{name}.qasm3", f"{HEAD3}qubit[{size}] q;\nbit c;\nc = measure q[0];\n")
    write("CircuitTooLarge", "width-bomb-in-parts.qasm2", HEAD2 + "".join(f"qreg q{i}[512];\n" for i in range(2000)))
    write("CircuitTooLarge", "width-bomb-of-bits.qasm2", f"{TWO}creg c[10000000];\nmeasure q[0] -> c[0];\n")
    write(
        "CircuitTooLarge", "width-bomb-by-product.qasm3", f"{HEAD3}qubit[1000 * 1000] q;\nbit c;\nc = measure q[0];\n"
    )
    write(
        "CircuitTooLarge",
        "width-bomb-of-controls.qasm3",
        f"{THREE}ctrl(1000000) @ x q;\nc = measure q;\n",
    )
    write("CircuitTooLarge", "width-bomb-of-physical-qubits.qasm3", f"{HEAD3}bit c;\nh $99999999;\nc = measure $0;\n")
    good = dumped(bell())
    assert good[25:29] == good[29:33] == (2).to_bytes(4, "big")
    write("CircuitTooLarge", "width-bomb.qpy", edited(good, 25, (10**7).to_bytes(4, "big")))
    wide = QuantumCircuit(20_000, 1)
    wide.measure(0, 0)
    write("CircuitTooLarge", "width-bomb-that-is-honest.qpy", dumped(wide))
    dense = "".join(f"rx(0.{i + 1}) q[{i}];\n" for i in range(34))
    dense += "".join(f"cp(0.3) q[{i}], q[{j}];\nrx(1) q[{i}];\n" for i in range(34) for j in range(i))
    write("DeadlineExceeded", "34-qubits.qasm2", f"{HEAD2}qreg q[34];\ncreg c[34];\n{dense}measure q -> c;\n")


def nested() -> None:
    """Doubling at each level; and more levels than a stack has. QPY writes each level out, so there is no such bomb."""
    doubling = "".join(f"gate a{i} q {{ a{i - 1} q; a{i - 1} q; }}\n" for i in range(1, 40))
    first = "gate a0 q { U(0, 0, 0) q; U(0, 0, 0) q; }\n"
    write("CircuitTooLarge", "nested-gates.qasm2", f"OPENQASM 2.0;\n{first}{doubling}qreg q[1];\n{END2}a39 q[0];\n")
    write(
        "CircuitTooLarge",
        "nested-gates.qasm3",
        f"OPENQASM 3.0;\n{first}{doubling}qubit q;\nbit c;\na39 q;\nc = measure q;\n",
    )
    chain = "".join(f"gate a{i} q {{ a{i - 1} q; }}\n" for i in range(1, 2500))
    write(
        "CircuitTooLarge", "nested-deeply-gates.qasm2", f"OPENQASM 2.0;\n{first}{chain}qreg q[1];\n{END2}a2499 q[0];\n"
    )
    write(
        "CircuitTooLarge",
        "nested-loops.qasm3",
        THREE + "for int i in [0:1999] { for int j in [0:1999] { h q; } }\nc = measure q;\n",
    )
    write(
        "CircuitTooLarge",
        "nested-deeply-parentheses.qasm2",
        f"{TWO}rx({'(' * 200}1{')' * 200}) q[0];\n{END2}",
    )
    write(
        "CircuitTooLarge",
        "nested-deeply-parentheses.qasm3",
        f"{THREE}rx({'(' * 20_000}1{')' * 20_000}) q;\nc = measure q;\n",
    )
    write(
        "CircuitTooLarge",
        "nested-deeply-blocks.qasm3",
        f"{THREE}{'if (c) { ' * 1000}x q;{' }' * 1000}\nc = measure q;\n",
    )
    deep: Any = []
    for _ in range(900):
        deep = [deep]
    write("CircuitTooLarge", "nested-deeply-metadata.qpy", dumped(bell(metadata={"of": deep})))


def includes() -> None:
    for name, path in {
        "absolute": "/etc/passwd",
        "relative": "../../../../../../etc/passwd",
        "proc": "/proc/self/environ",
    }.items():
        write("UnsupportedFormat", f"include-{name}.qasm2", f'OPENQASM 2.0;\ninclude "{path}";\nqreg q[1];\n{END2}')
        write(
            "UnsupportedFormat",
            f"include-{name}.qasm3",
            f'OPENQASM 3.0;\ninclude "{path}";\n{REST3}',
        )


def numbers() -> None:
    angles = {"nan": "1e400 - 1e400", "inf": "1e400", "minus-inf": "-1e400", "divided-by-zero": "1 / 0"}
    for name, angle in angles.items():
        write("InvalidCircuit", f"angle-{name}.qasm2", f"{TWO}rx({angle}) q[0];\n{END2}")
        write("InvalidCircuit", f"angle-{name}.qasm3", f"{THREE}rx({angle}) q;\n{END3}")
    for name, number in (("nan", math.nan), ("inf", math.inf)):
        write("InvalidCircuit", f"angle-{name}.qpy", dumped(turned(number)))
        circuit = QuantumCircuit(1, 1)
        gate = UnitaryGate(np.eye(2))
        gate.params = [np.array([[number, 0], [0, 1]], dtype=complex)]
        circuit.append(gate, [0])
        circuit.measure(0, 0)
        write("InvalidCircuit", f"matrix-{name}.qpy", dumped(circuit))
    inputs = f"{HEAD3}input float a;\ninput float b;\nqubit q;\nbit c;\nrx(a / b) q;\nc = measure q;\n"
    values = {"nan": (0, 0), "inf": (1, 0), "overflow": (1e300, 1e-300), "nan-at-one-point": ([1, 0, 1], [1, 0, 1])}
    for name, (a, b) in values.items():
        write("InvalidCircuit", f"values-{name}.qasm3", inputs, parameterValues={"a": a, "b": b})
    squared = turned(Parameter("a") * Parameter("b"))
    write("InvalidCircuit", "values-overflow.qpy", dumped(squared), parameterValues={"a": 1e300, "b": [1e300, 1]})


def encodings() -> None:
    for kind, text in (("qasm2", BELL2), ("qasm3", BELL3)):
        write("SyntaxError", f"not-utf-8.{kind}", text.encode().replace(b"q", b"\xff"))
        write("SyntaxError", f"utf-16.{kind}", text.encode("utf-16"))
        write("SyntaxError", f"nul.{kind}", text.replace("h q", "h\0q"))
        write("SyntaxError", f"gzip.{kind}", gzip.compress(text.encode(), mtime=0))
        write("SyntaxError", f"gzip-bomb.{kind}", gzip.compress(b"\n" * (256 * MIB), mtime=0))
    write("SyntaxError", "gzip.qpy", gzip.compress(dumped(bell()), mtime=0))
    write("SyntaxError", "pickle.qpy", b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.")


def mutated_qpy() -> None:
    good = dumped(bell())
    write("UnsupportedFormat", "qpy-12.qpy", edited(good, 6, bytes([12])))
    write("UnsupportedFormat", "qpy-1.qpy", edited(good, 6, bytes([1])))
    write("UnsupportedFormat", "qpy-of-the-future.qpy", edited(good, 6, bytes([99])))
    write("UnsupportedFormat", "two-circuits.qpy", dumped(bell(), bell()))
    write("UnsupportedFormat", "circuits-without-end.qpy", edited(good, 10, b"\xff" * 8))
    write("SyntaxError", "cut-short.qpy", good[:60])
    write("SyntaxError", "instructions-that-are-not-there.qpy", edited(good, 33, (10**12).to_bytes(8, "big")))
    write("InvalidCircuit", "registers-swapped-for-noise.qpy", good[:-60] + bytes(60))
    write("InvalidCircuit", "a-gate-that-is-none.qpy", good.replace(b"HGate", b"Ha\xffte"))
    write("InvalidCircuit", "a-class-that-is-no-gate.qpy", good.replace(b"HGate", b"Qubit"))


def endless() -> None:
    write(
        "DeadlineExceeded",
        "endless-while.qasm3",
        THREE + "x q;\nc = measure q;\nwhile (c) { x q; x q; c = measure q; }\n",
    )
    circuit = QuantumCircuit(1, 1)
    with circuit.while_loop((0, 0)):
        circuit.measure(0, 0)
    write("DeadlineExceeded", "endless-while.qpy", dumped(circuit))


def others() -> None:
    write("ResultTooLarge", "shots-1e9.qasm2", BELL2, shots=10**9)
    write("CircuitEmpty", "blank.qasm2", " \n\t\n")
    write("NoMeasurement", "no-measurement.qasm2", f"{TWO}creg c[1];\nh q[0];\n")
    write("SyntaxError", "unknown-name.qasm2", f"{TWO}secret_gate q[0];\n{END2}")
    write("SyntaxError", "unknown-name.qasm3", f"{THREE}secret_gate q;\n{END3}")


if __name__ == "__main__":
    for part in (width_bombs, nested, includes, numbers, encodings, mutated_qpy, endless, others):
        part()
