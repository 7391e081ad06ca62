"""The store is trusted once it has refused an overwrite, and jobs say what they wait for until then."""

from __future__ import annotations

import asyncio

import pytest

from quantumjob_contract.store_errors import StoreUnavailable
from quantumjob_contract.transfer import Put
from quantumjob_operator.results import store_probe
from quantumjob_operator.results.store_probe import NotConditional, StoreGate
from support.memory import MemoryStore


async def test_the_gate_opens_when_the_store_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_probe, "RETRY_SECONDS", 0.0)
    store = MemoryStore()
    store.pending.down = True
    gate = StoreGate(lambda: store.opened)  # type: ignore[arg-type, return-value]
    with pytest.raises(StoreUnavailable, match="not been probed"):
        gate.open()
    watching = asyncio.create_task(gate.watch())
    await asyncio.sleep(0)
    store.pending.down = False
    async with asyncio.timeout(10):
        while not gate.trusted:
            await asyncio.sleep(0)
    assert gate.open() is store.opened
    watching.cancel()


async def test_a_store_that_overwrites_ends_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()

    async def overwrite(*_: object) -> Put:
        return Put.WRITTEN

    monkeypatch.setattr(store.opened.completed, "put_once", overwrite)
    gate = StoreGate(lambda: store.opened)  # type: ignore[arg-type, return-value]
    with pytest.raises(NotConditional, match="If-None-Match"):
        await gate.watch()
