"""A job whose pubs an object lists: looked at once, at acceptance; from then on a function of the resource again."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from quantumjob_contract import keys, limits, transfer
from quantumjob_contract.pubs import qpy_file
from quantumjob_contract.reasons import Reason
from quantumjob_contract.schema.object_ref import ObjectRef
from quantumjob_contract.schema.program import decode_program
from quantumjob_contract.store_errors import StoreUnavailable
from quantumjob_operator.model import status
from support.kube import FakeKube, quantumjob
from support.parts import OF, Parts

pytestmark = pytest.mark.usefixtures("time", "no_poll")

KEY = "pubs.jsonl"
LINES = b'{"circuit": {"inline": "OPENQASM 3.0;"}}\n\n{"circuit": 1}\n'


def listing(**object_: Any) -> dict[str, Any]:
    return {"primitive": "Sampler", "shots": 100, "pubsFrom": {"object": {"key": KEY} | object_}}


def made(data: bytes | None = LINES, *, dedicated: bool = False, **object_: Any) -> Parts:
    of = quantumjob()
    of["spec"] |= {"program": listing(**object_), "dedicated": dedicated}
    parts = Parts(FakeKube(of))
    if data is not None:
        parts.store.circuits.objects[f"team/{KEY}"] = data
    return parts


def rejection(parts: Parts) -> str:
    accepted = status.condition(parts.status(), "Accepted") or {}
    assert (accepted["status"], accepted["reason"]) == ("False", Reason.INVALID_SPEC)
    message: str = accepted["message"]
    return message


@pytest.mark.parametrize("dedicated", [False, True])
async def test_what_is_found_is_told_and_fixed(time: Any, dedicated: bool) -> None:
    parts = made(dedicated=dedicated)
    await parts.settle()
    await parts.told(time)
    told = parts.status()
    assert told["pubsFrom"] == {"sha256": transfer.sha256(LINES), "bytes": len(LINES), "pubs": 2}
    assert told["progress"] == "0/2"
    program = decode_program(parts.store.pending.objects[keys.program(OF)])
    assert program.listed is not None
    assert (program.listed.sha256, program.total, program.pubs) == (transfer.sha256(LINES), 2, [])


async def test_an_order_has_a_url_of_the_object() -> None:
    parts = made()
    await parts.settle()
    order = await parts.ask(parts.hire())
    assert order is not None
    assert list(order.circuits) == [KEY]


async def test_it_is_looked_at_once(time: Any) -> None:
    parts = made()
    await parts.settle()
    await parts.told(time)
    again = parts.restarted()
    await again.settle()
    again.store.circuits.objects[f"team/{KEY}"] = b"{}"
    asked = [what for what in parts.store.circuits.requests if "circuits" in what]
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("data", "object_", "said"),
    [
        (None, {}, "not in the circuits bucket"),
        (b"", {}, "lists no pubs"),
        (b" \n\r\n", {}, "lists no pubs"),
        (LINES, {"sha256": "0" * 64}, "differs from the spec"),
        (LINES, {"key": "../other/pubs.jsonl"}, "relative to the namespace"),
    ],
)
async def test_refused(data: bytes | None, object_: dict[str, str], said: str) -> None:
    parts = made(data, **object_)
    await parts.settle()
    assert said in rejection(parts)
    assert parts.status()["phase"] == "Failed"


@pytest.mark.parametrize(("limit", "value"), [("MAX_LISTED_BYTES", 40), ("MAX_LISTED_PUBS", 1)])
async def test_limits(monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    monkeypatch.setattr(limits, limit, value)
    parts = made()
    await parts.settle()
    assert str(value) in rejection(parts)
    assert "split the job" in rejection(parts)


@pytest.mark.parametrize("dedicated", [False, True])
async def test_a_store_that_is_down_is_waited_for(time: Any, dedicated: bool) -> None:
    parts = made(dedicated=dedicated)
    parts.store.circuits.down = True
    with pytest.raises(StoreUnavailable):
        await parts.settle()
    doing = status.condition(parts.status(), "Reconciling") or {}
    assert (doing["reason"], parts.status()["phase"]) == (Reason.WAITING_FOR_STORE, "Pending")
    parts.store.circuits.down = False
    parts.controller.work_queue.add(OF)
    await parts.settle()
    await parts.told(time)
    assert status.is_true(parts.status(), "Accepted")
    assert parts.status()["pubsFrom"]["pubs"] == 2


async def test_a_result_of_very_many_pubs_has_the_first_in_the_status() -> None:
    """The manifest has all."""
    parts = made(b"\n".join([b"{}"] * (limits.MAX_PUBS + 5)))
    await parts.settle()
    parts.edit(cancel=True)
    await parts.settle()
    told = parts.status()
    assert told["progress"] == f"0/{limits.MAX_PUBS + 5}"
    assert len(told["results"]["pubs"]) == limits.MAX_PUBS
    assert told["results"]["pubs"][-1]["name"] == f"pub-{limits.MAX_PUBS - 1}"


def in_qpy(circuits: int, parameters: bytes | None = None, version: int = qpy_file.WITH_TABLE) -> Parts:
    """A job whose object begins as a QPY file of so many circuits."""
    of = quantumjob()
    of["spec"]["program"] = listing()
    of["spec"]["program"]["pubsFrom"] |= {"format": "QPY"} | ({"parameters": {"key": "beside"}} if parameters else {})
    parts = Parts(FakeKube(of))
    head = qpy_file.FILE.pack(qpy_file.MAGIC, version, 2, 6, 2, circuits, b"p") + qpy_file.CIRCUIT
    parts.store.circuits.objects |= {f"team/{KEY}": head + bytes(40), "team/beside": parameters or b""}
    return parts


async def test_circuits_of_a_qpy_file_are_counted_by_its_head(time: Any) -> None:
    parts = in_qpy(3, b"{}\n{}\n{}")
    await parts.settle()
    await parts.told(time)
    told = parts.status()["pubsFrom"]
    assert (told["pubs"], told["parametersSha256"]) == (3, transfer.sha256(b"{}\n{}\n{}"))
    listed = decode_program(parts.store.pending.objects[keys.program(OF)]).listed
    assert listed is not None
    assert (listed.format, listed.parameters) == ("QPY", ObjectRef("beside", transfer.sha256(b"{}\n{}\n{}")))
    order = await parts.ask(parts.hire())
    assert order is not None
    assert sorted(order.circuits) == ["beside", KEY]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (in_qpy(0), "lists no pubs"),
        (in_qpy(limits.MAX_LISTED_PUBS + 1), "split the job"),
        (in_qpy(3, version=15), "version=16"),
        (in_qpy(3, b"{}\n{}"), "2 lines for 3 circuits"),
    ],
)
async def test_a_qpy_file_that_is_refused(parts: Parts, said: str) -> None:
    await parts.settle()
    assert said in rejection(parts)


async def test_a_head_that_comes_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = in_qpy(3)

    @contextlib.asynccontextmanager
    async def open_(key: str, _byte_range: str | None = None) -> AsyncIterator[Any]:
        async def chunks() -> AsyncIterator[bytes]:
            for byte in parts.store.circuits.objects[key]:
                yield bytes([byte])

        yield SimpleNamespace(chunks=chunks())

    monkeypatch.setattr(parts.store.opened.circuits, "open", open_)
    await parts.settle()
    assert parts.found()["status"]["pubsFrom"]["pubs"] == 3


async def test_what_was_found_is_written_before_anything_rests_on_it() -> None:
    """An operator that is lost with it would find another object, perhaps."""
    parts = made()
    await parts.settle()
    assert parts.status()["pubsFrom"]["pubs"] == 2
