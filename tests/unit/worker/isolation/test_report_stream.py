"""What a child sends: reports and arrays in pieces, and what of it is taken."""

from __future__ import annotations

import io
from typing import Any

import msgspec
import pytest
from worker_tasks import HEAD3, task

from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.program import Format
from quantumjob_contract.schema.results import PubError
from quantumjob_contract.schema.saved_arrays import KINDS, Save, SavedArray
from quantumjob_worker import child, ipc
from quantumjob_worker.isolation.report_stream import MAX_REPORT_BYTES, ReportParser, is_valid

ALL: tuple[Save, ...] = tuple(KINDS)


def report(text: str, form: Format, save: tuple[Save, ...] = ALL) -> ipc.PubReport:
    return child.run(msgspec.structs.replace(task(form), save=list(save)), text.encode())


def heard(data: bytes, size: int) -> tuple[list[ipc.PubReport], bool]:
    """The reports of two pubs, sent in pieces, and whether all of it was understood."""
    found: list[ipc.PubReport] = []
    taker = ReportParser(2, found.append)
    understood = [taker.take(data[at : at + size]) for at in range(0, len(data), size)]
    return found, all(understood)


@pytest.fixture(scope="module")
def two() -> tuple[list[ipc.PubReport], bytes]:
    """Reports of a pub with small arrays and of one with a large one, and how they are sent."""
    made = [
        report(HEAD3 + "qubit[2] q; h q;", "OpenQASM3"),
        report(HEAD3 + "qubit[13] q; h q;", "OpenQASM3", ("Statevector",)),
    ]
    sink = io.BytesIO()
    for each in made:
        ipc.write_report(sink, each)
    return made, sink.getvalue()


@pytest.mark.parametrize("size", [1000, 1 << 18])
def test_reports_with_arrays_are_heard_however_they_come(two: tuple[list[ipc.PubReport], bytes], size: int) -> None:
    made, data = two
    found, understood = heard(data, size)
    assert found == made
    assert understood
    assert len(data) - (1 << 17) < 5000


def test_a_report_is_heard_when_its_last_array_is_whole(two: tuple[list[ipc.PubReport], bytes]) -> None:
    made, data = two
    assert heard(data[:-1], 1000) == (made[:1], True)


@pytest.mark.parametrize("at", [8, 9, 40])
def test_what_is_no_report_is_not_heard(two: tuple[list[ipc.PubReport], bytes], at: int) -> None:
    _, data = two
    assert heard(data[:at] + b"\x00" + data[at + 1 :], 1000) == ([], False)


def test_an_array_above_the_limit_is_not_waited_for(two: tuple[list[ipc.PubReport], bytes]) -> None:
    made, data = two
    assert heard(data + ipc.LENGTH.pack(1 << 40), 1000) == (made, True)  # after the last nothing is read
    begun = data.index(b"\x93NUMPY") - ipc.LENGTH.size
    found, understood = heard(data[:begun] + ipc.LENGTH.pack(1 << 40) + bytes(MAX_REPORT_BYTES), 1 << 18)
    assert (found, understood) == ([], False)


def test_only_what_the_pub_saves_is_sound(two: tuple[list[ipc.PubReport], bytes]) -> None:
    asked = msgspec.structs.replace(task("OpenQASM3"), save=list(ALL))
    whole = two[0][0]
    about = whole.result.arrays["statevector"]

    def of(arrays: dict[str, SavedArray], files: list[memoryview]) -> ipc.PubReport:
        return msgspec.structs.replace(whole, result=msgspec.structs.replace(whole.result, arrays=arrays), arrays=files)

    def with_state(**changes: Any) -> dict[str, SavedArray]:
        return whole.result.arrays | {"statevector": msgspec.structs.replace(about, **changes)}

    assert is_valid(whole, asked)
    assert not is_valid(whole, task("OpenQASM3"))
    assert not is_valid(of({}, []), asked)
    assert not is_valid(of(whole.result.arrays, whole.arrays[:2]), asked)
    assert not is_valid(of(with_state(shape=[1 << 40]), whole.arrays), asked)
    assert not is_valid(of(with_state(dtype="<f8"), whole.arrays), asked)
    assert not is_valid(of(with_state(shape=[]), whole.arrays), asked)
    failed = msgspec.structs.replace(whole.result, error=PubError(PubReason.CRASHED, ""))
    assert not is_valid(msgspec.structs.replace(whole, result=failed), asked)
