"""QPY files of many circuits, as Qiskit writes them, and what others write."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit, qpy
from qiskit.circuit import Parameter

from quantumjob_contract.pubs.qpy_file import HEAD_BYTES, WITH_TABLE, NotQpy, QpyFile, count

ANGLE = Parameter("a")


def circuits(many: int) -> list[QuantumCircuit]:
    found = []
    for number in range(many):
        circuit = QuantumCircuit(1 + number % 3, 1, name=f"c{number}", metadata={"number": number})
        circuit.rx(ANGLE * number, 0)
        circuit.measure(0, 0)
        found.append(circuit)
    return found


def dumped(many: int, version: int = WITH_TABLE) -> bytes:
    file = io.BytesIO()
    qpy.dump(circuits(many), file, version=version)
    return file.getvalue()


@pytest.mark.parametrize("version", range(WITH_TABLE, qpy.QPY_VERSION + 1))
def test_each_circuit_alone_is_what_qiskit_has_put_in(version: int) -> None:
    data = dumped(7, version)
    assert count(data[:HEAD_BYTES]) == 7
    found = [qpy.load(io.BytesIO(each)) for each in QpyFile(data)]
    assert found == [[circuit] for circuit in circuits(7)]
    assert [each[0].metadata for each in found] == [circuit.metadata for circuit in circuits(7)]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not a QPY"),
        (b"OPENQASM 3.0; qubit q;" * 9, "not a QPY"),
        (dumped(2, 15), "version=16"),
        (dumped(1)[:25], "table"),
    ],
)
def test_what_is_no_such_file(data: bytes, said: str) -> None:
    with pytest.raises(NotQpy, match=said):
        QpyFile(data)


@given(st.data())
def test_whatever_the_table_says_no_byte_is_read_twice(data: Any) -> None:
    file = bytearray(dumped(3))
    for _ in range(data.draw(st.integers(1, 4))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = list(QpyFile(bytes(file)))
    except NotQpy:
        return
    assert sum(map(len, found)) <= len(file) + len(found) * (HEAD_BYTES + 8)
