"""One order after the other: what is told of each, signs of life, and how a worker ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import urllib3
from worker_fakes import BELL, OWNER, Fake, fetched, job
from worker_tasks import InProcess

from quantumjob_contract import keys
from quantumjob_contract.exit_codes import Exit
from quantumjob_contract.schema.object_ref import ObjectRef
from quantumjob_contract.schema.orders import (
    POLL_SECONDS,
    EndedOrder,
    HeartbeatRequest,
    HeartbeatResponse,
    OrderRequest,
)
from quantumjob_contract.schema.program import Circuit
from quantumjob_worker.agent import heartbeat, order, recycling
from quantumjob_worker.agent.recycling import RecyclingPolicy
from quantumjob_worker.clients import object_store, orders
from quantumjob_worker.clients.object_store import Pools
from quantumjob_worker.clients.orders import OrdersClient
from quantumjob_worker.errors import OrderFailed, Stopped, WorkerExit

pytestmark = pytest.mark.usefixtures("fast")

UIDS = ("uid-1", "uid-2", "uid-3")


@pytest.fixture
def shared(fake: Fake) -> Fake:
    for number, uid in enumerate(UIDS, start=1):
        fake.make_order(job(*[BELL] * number, uid=uid), only=False)
    return fake


@pytest.fixture
def always_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "ALIVE_SECONDS", 0.0)


def last(uid: str) -> str:
    return keys.segment(keys.Shard(keys.Owner("team", uid), 0), keys.LAST)


def test_a_shared_worker_takes_one_order_after_the_other(shared: Fake, carry_out: Any) -> None:
    assert carry_out().message == "This worker ran 3 orders."
    told = [OrderRequest(ended=EndedOrder(uid, 0, computed=number)) for number, uid in enumerate(UIDS, start=1)]
    assert shared.asked == [OrderRequest(), *told]
    assert set(shared.objects) == {last(uid) for uid in UIDS}


def test_a_worker_warms_up_while_it_waits_and_not_before_its_only_order(
    fake: Fake, shared: Fake, carry_out: Any
) -> None:
    runner = InProcess()
    carry_out(runner)
    assert runner.warmed == len(UIDS)
    fake.make_order(job(BELL))
    runner = InProcess()
    carry_out(runner)
    assert runner.warmed == 0


def test_connections_are_kept_from_order_to_order(shared: Fake, carry_out: Any) -> None:
    carry_out()
    assert shared.connections == 2  # one to the operator, one to the store


def test_a_failed_order_does_not_end_a_shared_worker(shared: Fake, carry_out: Any) -> None:
    shared.faults["PUT", last("uid-1")] = [403]
    shared.orders[1] = fetched(shared.orders[1], program_url=shared.link("none"))
    shared.objects["none"] = b"{}"
    carry_out()
    found = [question.ended for question in shared.asked[1:]]
    assert [(ended.code, ended.computed) for ended in found if ended] == [
        (Exit.TEMPORARY, 1),
        (Exit.BAD_PROGRAM, 0),
        (Exit.DONE, 3),
    ]
    assert "refused" in found[0].message  # type: ignore[union-attr]


def test_a_store_that_is_away_fails_the_order(shared: Fake, carry_out: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "STORE_SECONDS", -1.0)
    shared.faults["PUT", keys.prefix(OWNER)] = [503] * 99
    carry_out()
    assert shared.asked[1].ended == EndedOrder("uid-1", 0, Exit.TEMPORARY, "The store could not be reached.", 1)
    assert set(shared.objects) == {last(uid) for uid in UIDS[1:]}


def test_the_end_of_an_order_is_told_until_it_is_heard(shared: Fake, carry_out: Any) -> None:
    shared.answers = [204, 500, 204]
    del shared.orders[1:]
    runner = InProcess(p0=[lambda: shared.answers.extend([503, 500, 204, 204])])
    carry_out(runner)
    ended = EndedOrder("uid-1", 0, computed=1)
    assert [question.ended for question in shared.asked] == [None] * 4 + [ended] * 3 + [None] * 2


def test_a_dedicated_worker_leaves_with_its_order(fake: Fake, carry_out: Any) -> None:
    fake.make_order(job(BELL))
    fake.faults["PUT", ""] = [403]
    fake.make_order(job(BELL, uid="uid-2"))
    with pytest.raises(WorkerExit) as end:
        carry_out()
    assert end.value.code == Exit.TEMPORARY
    assert fake.asked[1:] == [OrderRequest(ended=EndedOrder("uid-1", 0, 75, end.value.message, 1), leaving=True)]


@pytest.mark.parametrize("answer", [500, 403, 204])
def test_no_answer_to_the_last_words_matters(fake: Fake, carry_out: Any, answer: int) -> None:
    fake.make_order(job(BELL))
    assert carry_out(InProcess(p0=[lambda: fake.answers.append(answer)])).reason == "Done"
    assert len(fake.asked) == 2


@pytest.mark.parametrize("fault", [WorkerExit(Exit.INTERNAL, "broken"), RuntimeError("secret")])
def test_a_worker_that_cannot_go_on_says_so(shared: Fake, carry_out: Any, fault: Exception) -> None:
    with pytest.raises(type(fault)):
        carry_out(InProcess(p0=[fault]))
    (question,) = shared.asked[1:]
    assert question.leaving
    assert question.ended is not None
    assert question.ended.code == Exit.INTERNAL
    assert "secret" not in question.ended.message


def test_sigterm_in_an_order_of_a_shared_worker(shared: Fake, carry_out: Any) -> None:
    del shared.orders[:1]
    with pytest.raises(Stopped):
        carry_out(InProcess(p1=[Stopped()]))
    assert list(shared.objects) == [keys.segment(keys.Shard(keys.Owner("team", "uid-2"), 0), "000000")]
    assert len(shared.asked) == 1  # the pod's end says the rest


@pytest.mark.parametrize("stored", [True, False])
def test_sigterm_while_the_last_segment_is_written(
    shared: Fake, carry_out: Any, stored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All is computed, so it is written all the same; but there is no next order."""
    signals = [Stopped()]

    def wait(_self: Any, _seconds: float) -> None:
        raise signals.pop()

    monkeypatch.setattr(heartbeat.Heartbeat, "wait", wait)
    monkeypatch.setattr(order, "FINAL_STORE_SECONDS", 3.0 if stored else 0.01)
    shared.faults["PUT", last("uid-1")] = [503] * (2 if stored else 99)
    shared.faults["PUT", shared.pending("000000")] = [503] * 99
    if stored:
        assert carry_out().reason == "Done"
    else:
        with pytest.raises(WorkerExit) as end:
            carry_out()
        assert end.value.code == Exit.TEMPORARY
    assert list(shared.objects) == [last("uid-1")] * stored
    (question,) = shared.asked[1:]
    assert question.leaving


@pytest.mark.parametrize("orders", [0, 1])
def test_sigterm_while_idle(shared: Fake, carry_out: Any, orders: int) -> None:
    """A worker that has had an order has nothing left undone."""
    del shared.orders[orders:]
    shared.answers = [204] * 2

    def stop(_seconds: float) -> None:
        raise Stopped

    if orders:
        shared.answers = []
        runner = InProcess(p0=[lambda: shared.answers.append(204)])
        assert carry_out(runner, sleep=stop).reason == "Done"
        assert shared.asked[-1] == OrderRequest(ended=EndedOrder("uid-1", 0, computed=1), leaving=True)
        return
    with pytest.raises(Stopped):
        carry_out(sleep=stop)


def test_an_operator_that_stays_away_from_an_idle_worker(
    shared: Fake, carry_out: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    del shared.orders[1:]

    def away() -> None:
        monkeypatch.setattr(orders, "UNREACHABLE_SECONDS", -1.0)
        shared.answers = [503] * 9

    with pytest.raises(WorkerExit) as end:
        carry_out(InProcess(p0=[away]))
    assert end.value.code == Exit.DONE


def test_an_idle_worker_that_is_refused(shared: Fake, carry_out: Any) -> None:
    del shared.orders[1:]
    runner = InProcess(p0=[lambda: shared.answers.extend([403, 401, 204, 403, 403, 403, 204])])
    with pytest.raises(WorkerExit) as end:
        carry_out(runner)
    assert end.value.code == Exit.DONE
    assert shared.answers == [204]


def test_a_worker_retires(shared: Fake, carry_out: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    monkeypatch.setattr(recycling, "MAX_ORDERS", 2)
    caplog.set_level("INFO", "quantumjob_worker.agent.worker")
    assert carry_out().reason == "Done"
    assert shared.asked[-1] == OrderRequest(ended=EndedOrder("uid-2", 0, computed=2), leaving=True)
    assert [order.uid for order in shared.orders] == ["uid-3"]
    assert "ran 2 orders" in [getattr(record, "reason", "") for record in caplog.records]


def test_retirement_by_memory(tmp_path: Path) -> None:
    def resident(pid: int, pages: int) -> None:
        (tmp_path / str(pid)).mkdir(exist_ok=True)
        (tmp_path / str(pid) / "statm").write_text(f"99999 {pages} 0 0 0 0 0")

    resident(1, 1000)
    resident(2, 30_000)
    retires = RecyclingPolicy([1, 2], tmp_path)
    assert retires.reason() == ""
    resident(1, 17_000)
    assert retires.reason() == ""
    resident(2, 47_000)
    assert retires.reason() == "memory grew by 66 MiB"


def test_no_sign_of_a_short_order(shared: Fake, carry_out: Any) -> None:
    carry_out()
    assert shared.count("POST", "/v1/orders/") == 0


@pytest.mark.usefixtures("always_alive")
def test_signs_of_life_say_how_far_it_is(fake: Fake, carry_out: Any) -> None:
    fake.make_order(job(BELL, BELL))
    fake.told = [{}, 500, 403]
    assert carry_out().reason == "Done"
    counted = [(sign["done"], sign["total"]) for sign in fake.alive]
    assert counted == sorted(counted)
    assert {(0, 2), (1, 2), (2, 2)} <= set(counted)


@pytest.mark.usefixtures("always_alive")
@pytest.mark.parametrize("only", [True, False])
def test_the_operator_stops_an_order(fake: Fake, carry_out: Any, only: bool) -> None:
    fake.make_order(job(BELL, BELL), only=only)
    runner = InProcess(p1=[lambda: fake.told.append({"stop": True})])
    if only:
        with pytest.raises(WorkerExit) as end:
            carry_out(runner)
        assert end.value.code == Exit.TEMPORARY
    else:
        fake.make_order(job(BELL, uid="uid-2"), only=False)
        carry_out(runner)
        assert last("uid-2") in fake.objects
    ended = fake.asked[1].ended
    assert ended == EndedOrder(OWNER.uid, 0, Exit.TEMPORARY, "The operator stopped this order.", 2)
    assert [result.index for result in fake.segment("000000").pubs] == [0, 1]


@pytest.mark.usefixtures("always_alive")
@pytest.mark.parametrize("where", ["program", "found", "circuit", "last"])
def test_signs_of_life_while_the_store_is_away(fake: Fake, carry_out: Any, where: str) -> None:
    """It is stopped by the answer, so it has given one there."""
    fake.objects["circuits/bell"] = BELL.encode()
    fake.objects[fake.pending("000000")] = b"{}"
    order = fake.make_order(job(Circuit("OpenQASM2", object=ObjectRef("bell"))))
    fake.objects[keys.program(OWNER)] = bytes(order.program)
    fake.orders = [fetched(order)]
    verb, key = {
        "program": ("GET", keys.program(OWNER)),
        "found": ("GET", fake.pending("000000")),
        "circuit": ("GET", "circuits/bell"),
        "last": ("PUT", fake.pending(keys.LAST)),
    }[where]
    fake.faults[verb, key] = [503] * 99
    fake.told = [{}] * (9 if where == "last" else 1) + [{"stop": True}]
    with pytest.raises(WorkerExit) as end:
        carry_out()
    assert end.value.message == "The operator stopped this order."


def test_a_wait_is_cut_into_pieces_by_signs() -> None:
    now, slept = [0.0], []

    class Client:
        def alive(self, _order: Any, message: Any) -> Any:
            slept.append(message)
            return HeartbeatResponse(stop=len(slept) > 4)

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    signs = heartbeat.Heartbeat(Client(), None, clock=lambda: now[0], sleep=sleep)  # type: ignore[arg-type]
    signs.wait(5.0)
    sign = HeartbeatRequest(0, 0)
    assert slept == [2.0, sign, 2.0, sign, 1.0]
    with pytest.raises(OrderFailed):
        signs.wait(5.0)


def test_one_pool_for_each_authority(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store.transfer, "pool", lambda _ca: urllib3.PoolManager())
    pools = Pools()
    first = pools.of("a")
    assert pools.of("a") is first
    assert [pools.of(ca) is first for ca in "bcde"] == [False] * 4
    assert pools.of("a") is not first


def test_waits_for_the_operator_are_short() -> None:
    waits = [object_store.backoff(n, orders.MAX_BACKOFF_SECONDS) for n in range(20)]
    assert max(waits) <= 2.0
    assert waits[0] <= 0.5


def test_a_sign_that_cannot_be_given_harms_nothing(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    client = OrdersClient("http://127.0.0.1:1", "", str(tmp_path / "token"))
    order: Any = type("Order", (), {"uid": "u", "shard": 0})
    assert client.alive(order, HeartbeatRequest(0, 1)) == HeartbeatResponse()


def test_an_operator_that_is_gone_without_a_word_is_noticed_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its node lost power: nothing ends the connection, so only our patience does."""
    patience: list[float] = []

    def request(*_: Any, timeout: urllib3.Timeout, **__: Any) -> Any:
        patience.append(float(timeout.read_timeout))  # type: ignore[arg-type]
        return type("Response", (), {"status": 410, "data": b""})

    monkeypatch.setattr(urllib3.PoolManager, "request", request)
    (tmp_path / "token").write_text("t")
    assert OrdersClient("http://127.0.0.1:1", "", str(tmp_path / "token")).next_order() is None
    assert patience == [POLL_SECONDS + 5]
