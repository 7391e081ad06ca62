"""Pubs that an object lists: each line is one, and a line that is none costs itself alone."""

from __future__ import annotations

import codecs
import io
import json
from typing import Any

import msgspec
import pytest
from qiskit import QuantumCircuit, qpy
from worker_fakes import BELL, Fake, job

from quantumjob_contract import keys, limits, transfer
from quantumjob_contract.pubs.qpy_file import HEAD_BYTES, WITH_TABLE
from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.object_ref import ObjectRef
from quantumjob_contract.schema.program import Program, PubsReference
from quantumjob_contract.schema.results import PubResult
from quantumjob_worker.errors import PubFailed, WorkerExit
from quantumjob_worker.inputs.pub_list import ListedPubs

KEY = "sweeps/pubs.jsonl"
ROTATED = 'OPENQASM 3.0;include "stdgates.inc";input float a;qubit q;bit c;rx(a) q;c=measure q;'


def line(**more: Any) -> bytes:
    return json.dumps({"circuit": {"format": "OpenQASM2", "inline": BELL}} | more).encode()


def listing(data: bytes, *, shots: int = 100, pubs: int | None = None) -> PubsReference:
    return PubsReference(KEY, transfer.sha256(data), data.count(b"\n") + 1 if pubs is None else pubs, shots)


def listed(fake: Fake, *lines: bytes, parallelism: int = 1) -> Program:
    data = b"\n".join(lines)
    fake.objects[f"circuits/{KEY}"] = data
    return msgspec.structs.replace(job(), pubs=[], listed=listing(data), parallelism=parallelism)


def ordered(fake: Fake, program: Program, shard: int = 0) -> None:
    order = fake.make_order(program)
    last = keys.segment(keys.Shard(keys.Owner(program.namespace, program.uid), shard), keys.LAST)
    fake.orders[-1] = msgspec.structs.replace(
        order, shard=shard, circuits={KEY: fake.link(f"circuits/{KEY}")}, last=fake.link(last), last_key=last
    )


def carried(fake: Fake, carry_out: Any, program: Program) -> dict[int, PubResult]:
    ordered(fake, program)
    carry_out()
    return fake.all_results()


def test_the_same_results_as_in_the_program(fake: Fake, carry_out: Any) -> None:
    values = {"a": [0.1, 0.2]}
    swept = {"circuit": {"inline": ROTATED}, "parameterValues": values, "name": "pub-1"}
    program = listed(fake, line(), json.dumps(swept).encode(), line(shots=7, name="named"))
    found = carried(fake, carry_out, program)
    given = job(BELL, BELL, BELL)
    given.pubs[1] = msgspec.structs.replace(
        given.pubs[1],
        circuit=msgspec.structs.replace(given.pubs[1].circuit, format="OpenQASM3", inline=ROTATED),
        parameter_values=values,
    )
    given.pubs[2] = msgspec.structs.replace(given.pubs[2], name="named", shots=7)
    fake.objects.clear()
    fake.make_order(given)
    carry_out()
    assert found == fake.all_results()
    assert [found[index].name for index in range(3)] == ["pub-0", "pub-1", "named"]


BAD = [
    b"{",
    b"[]",
    b'{"circuit": {"inline": "x"}, "shot": 5}',
    b'{"circuit": {"inline": "x", "object": {"key": "/etc/passwd"}}}',
    b'{"name": "a"}',
    line(shots=0),
    line(shots=limits.MAX_SHOTS + 1),
    line(shots="100"),
    line(name="Not-A-Label"),
    line(name="x" * 64),
    line(observables=["ZZ"]),
    line(precision=0.1),
    line(parameterValues={"a": [[0.1], 0.2]}),
    line(parameterValues={"a": None}),
    b'{"circuit":' + b"[" * 100_000,
    b"\xff\xfe",
    b'{"circuit": {"inline": "\xff"}}',
    line().replace(b"}}", b'}, "parameterValues": {"a": "\xff"}}'),
]


def test_a_line_that_is_no_pub(fake: Fake, carry_out: Any) -> None:
    found = carried(fake, carry_out, listed(fake, *(part for bad in BAD for part in (bad, line()))))
    assert len(found) == 2 * len(BAD)
    for index, result in found.items():
        if index % 2:
            assert result.error is None, (index, result.error)
        else:
            assert result.error is not None, BAD[index // 2]
            assert result.error.reason == PubReason.INVALID_PUB
            assert f"Line {index + 1} " in result.error.message
            assert "passwd" not in result.error.message


@pytest.mark.parametrize(
    "bad", [line(**{"no\x1b[31m\nfield": 1}), line(parameterValues={"a" * 100_000: 1, "a" * 100_001: [1, 2]})]
)
def test_words_of_a_line_in_a_message_are_few_and_plain(bad: bytes) -> None:
    """They go to results, to the resource's status, and to whose terminal shows it."""
    with pytest.raises(PubFailed) as failed:
        ListedPubs("Sampler", listing(b""), bad)[0]
    message = failed.value.error.message
    assert message.isprintable()
    assert len(message) <= 700


def test_a_line_that_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_LINE_BYTES", 200)
    lines = ListedPubs("Sampler", listing(b""), line(name="x" * 63) + b"\n" + line())
    with pytest.raises(Exception, match="200 bytes"):
        lines[0]
    assert lines[1].name == "pub-1"


def test_lines_are_counted_as_an_editor_does() -> None:
    lines = ListedPubs("Sampler", listing(b""), codecs.BOM_UTF8 + b"\n".join([line(), b"", b" ", b"garbage", line()]))
    assert lines[0].name == "pub-0"
    with pytest.raises(PubFailed, match="Line 4 of the object"):
        lines[1]
    assert lines[2].name == "pub-2"


def test_seeds_go_by_the_points_of_all_lines_before(fake: Fake, carry_out: Any) -> None:
    swept = json.dumps({"circuit": {"inline": ROTATED}, "parameterValues": {"a": [0.1, 0.2, 0.3]}}).encode()
    found = carried(fake, carry_out, listed(fake, swept, b"{", line()))
    assert [found[i].metadata.seed for i in range(3)] == [7, 7 + 3 * 2113, 7 + 4 * 2113]


@pytest.mark.parametrize("data", [b"{}", line() + b"\n" + line(), b""])
def test_an_object_that_was_replaced(fake: Fake, carry_out: Any, data: bytes) -> None:
    program = listed(fake, line())
    fake.objects[f"circuits/{KEY}"] = data
    ordered(fake, program)
    with pytest.raises(WorkerExit, match="never overwritten"):
        carry_out()


def test_an_object_that_is_gone(fake: Fake, carry_out: Any) -> None:
    program = listed(fake, line())
    del fake.objects[f"circuits/{KEY}"]
    ordered(fake, program)
    with pytest.raises(WorkerExit, match="never overwritten"):
        carry_out()


def test_shards_of_a_list(fake: Fake, carry_out: Any) -> None:
    program = listed(fake, *(line(shots=index + 1) for index in range(5)), parallelism=2)
    found: dict[int, PubResult] = {}
    for shard in (1, 0):
        ordered(fake, program, shard)
        carry_out()
        key = keys.segment(keys.Shard(keys.Owner(program.namespace, program.uid), shard), keys.LAST)
        found |= {result.index: result for result in msgspec.json.decode(fake.objects.pop(key), type=Whole).pubs}
    fake.objects = {key: data for key, data in fake.objects.items() if key.startswith("circuits/")}
    assert found == carried(fake, carry_out, msgspec.structs.replace(program, parallelism=1))


class Whole(msgspec.Struct):
    pubs: list[PubResult]


def in_qpy(fake: Fake, many: int, parameters: bytes | None = None) -> Program:
    """Circuits that measure 0, 1, 2 … of three bits, in one QPY file."""
    found = []
    for number in range(many):
        circuit = QuantumCircuit(3)
        for bit in range(3):
            if number >> bit & 1:
                circuit.x(bit)
        circuit.measure_all()
        found.append(circuit)
    file = io.BytesIO()
    qpy.dump(found, file, version=WITH_TABLE)
    data = file.getvalue()
    fake.objects[f"circuits/{KEY}"] = data
    made = PubsReference(KEY, transfer.sha256(data), many, 100, "QPY")
    if parameters is not None:
        fake.objects["circuits/beside"] = parameters
        made = msgspec.structs.replace(made, parameters=ObjectRef("beside", transfer.sha256(parameters)))
    return msgspec.structs.replace(job(), pubs=[], listed=made)


def carried_qpy(fake: Fake, carry_out: Any, program: Program) -> dict[int, PubResult]:
    order = fake.make_order(program)
    urls = {key: fake.link(f"circuits/{key}") for key in (KEY, "beside")}
    fake.orders[-1] = msgspec.structs.replace(order, circuits=urls)
    carry_out()
    return fake.all_results()


def test_circuits_of_one_qpy_file(fake: Fake, carry_out: Any) -> None:
    found = carried_qpy(fake, carry_out, in_qpy(fake, 6))
    assert {index: result.data and result.data["meas"].counts for index, result in found.items()} == {
        number: {f"{number:03b}": 100} for number in range(6)
    }


def test_what_belongs_to_them(fake: Fake, carry_out: Any) -> None:
    beside = b'{"shots": 7, "name": "first"}\n{}\n{"circuit": {"inline": "x"}}\n{"parameterValues": {"a": 1}}'
    beside += b'\n{"parameterValues": {"a": NaN}}'
    found = carried_qpy(fake, carry_out, in_qpy(fake, 5, beside))
    assert (found[0].name, found[0].metadata.shots) == ("first", 7)
    assert (found[1].name, found[1].metadata.shots) == ("pub-1", 100)
    reasons = [found[index].error and found[index].error.reason for index in range(4)]  # type: ignore[union-attr]
    assert reasons == [None, None, PubReason.INVALID_PUB, PubReason.UNKNOWN_PARAMETERS]
    assert "Line 3 of the parameters" in found[2].error.message  # type: ignore[union-attr]
    assert found[4].error.message.endswith("JSON allows neither NaN nor Infinity.")  # type: ignore[union-attr]


def test_a_qpy_file_whose_table_is_damaged(fake: Fake, carry_out: Any) -> None:
    program = in_qpy(fake, 3)
    data = bytearray(fake.objects[f"circuits/{KEY}"])
    data[HEAD_BYTES] = 0xFF
    fake.objects[f"circuits/{KEY}"] = bytes(data)
    assert program.listed is not None
    same = msgspec.structs.replace(program.listed, sha256=transfer.sha256(bytes(data)))
    with pytest.raises(WorkerExit, match="damaged"):
        carried_qpy(fake, carry_out, msgspec.structs.replace(program, listed=same))
