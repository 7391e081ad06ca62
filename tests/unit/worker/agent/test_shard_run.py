"""The parent against a tiny order endpoint and store: segments, resume, faults. Children are simulated in-process."""

from __future__ import annotations

import base64
import logging
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from qiskit_aer.primitives import SamplerV2
from worker_fakes import BELL, OWNER, Fake, fetched, job
from worker_tasks import DIED, LATE, InProcess

from quantumjob.results import pub_result
from quantumjob_contract import keys, transfer
from quantumjob_contract.exit_codes import Exit
from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.backend import Backend, Noise, Readout
from quantumjob_contract.schema.object_ref import ObjectRef
from quantumjob_contract.schema.orders import EndedOrder, OrderRequest
from quantumjob_contract.schema.program import Circuit
from quantumjob_contract.schema.results import Expectations
from quantumjob_worker import loaders
from quantumjob_worker.agent import order
from quantumjob_worker.clients import orders
from quantumjob_worker.clients.orders import OrdersClient
from quantumjob_worker.errors import Stopped, WorkerExit

SWEPT = 'OPENQASM 3.0; include "stdgates.inc"; input float a; qubit q; bit c; rx(a) q; c = measure q;'

pytestmark = pytest.mark.usefixtures("fast")


def test_a_tiny_job_is_one_put(fake: Fake, carry_out: Any) -> None:
    fake.make_order(job(BELL, BELL))
    assert carry_out().reason == "Done"
    assert fake.requests == [
        ("POST", "/v1/orders"),
        ("PUT", fake.pending(keys.LAST)),
        ("POST", "/v1/orders"),
    ]
    assert fake.asked == [OrderRequest(), OrderRequest(ended=EndedOrder(OWNER.uid, 0, computed=2), leaving=True)]
    assert fake.tokens == ["Bearer secret-token"] * 2
    found = fake.all_results()
    assert [found[i].metadata.seed for i in range(2)] == [7, 7 + 2113]
    last = fake.segment(keys.LAST)
    assert last.provenance.pod == "pod-1"
    assert set(last.times) == {"0", "1"}


def test_a_sweep_takes_a_step_of_the_seed_for_each_point(fake: Fake, carry_out: Any) -> None:
    work = job(Circuit("OpenQASM3", inline=SWEPT), BELL, Circuit("OpenQASM3", inline=SWEPT))
    values = [{"a": [0.1, 0.2, 0.3]}, {}, {"a": 0.1}]
    pubs = [msgspec.structs.replace(pub, parameter_values=each) for pub, each in zip(work.pubs, values, strict=True)]
    fake.make_order(msgspec.structs.replace(work, pubs=pubs))
    carry_out()
    found = fake.all_results()
    assert [found[i].metadata.seed for i in range(3)] == [7, 7 + 3 * 2113, 7 + 4 * 2113]
    swept, bell = loaders.load("OpenQASM3", SWEPT.encode()), loaders.load("OpenQASM2", BELL.encode())
    sampler = SamplerV2(seed=7, options={"backend_options": {"method": "statevector"}})
    wanted = sampler.run([(swept, [0.1, 0.2, 0.3]), bell, (swept, 0.1)], shots=100).result()
    for index, theirs in enumerate(wanted):
        mine = pub_result(found[index])
        assert mine.data.shape == theirs.data.shape
        assert np.array_equal(mine.data.c.array, theirs.data.c.array)


def test_an_estimator_s_job(fake: Fake, carry_out: Any) -> None:
    work = job(Circuit("OpenQASM3", inline=SWEPT.replace("c = measure q;", "")))
    pubs = [
        msgspec.structs.replace(pub, shots=0, precision=0.0, observables=["Z", {"Z": 0.5}], parameter_values={"a": 0})
        for pub in work.pubs
    ]
    fake.make_order(msgspec.structs.replace(work, pubs=pubs, primitive="Estimator"))
    carry_out()
    (found,) = fake.all_results().values()
    assert found.expectations == Expectations([2], [1.0, 0.5], [0.0, 0.0])
    assert (found.metadata.target_precision, found.metadata.shots, found.data) == (0.0, 0, None)


@pytest.mark.usefixtures("each_pub_a_segment")
def test_segments_are_flushed_and_listed(fake: Fake, carry_out: Any) -> None:
    fake.make_order(job(*[BELL] * 7), urls=2)
    carry_out()
    last = fake.segment(keys.LAST)
    assert [stored.key for stored in last.segments] == [fake.pending(keys.segment_name(n)) for n in range(6)]
    for stored in last.segments:
        data = fake.objects[stored.key]
        assert (stored.bytes, stored.sha256) == (len(data), transfer.sha256(data))
    assert sorted(fake.all_results()) == list(range(7))
    assert fake.count("POST", f"/v1/orders/{OWNER.uid}/0/urls") == 1


@pytest.mark.usefixtures("each_pub_a_segment")
def test_resume_runs_only_the_rest_and_gives_the_same(fake: Fake, carry_out: Any) -> None:
    work = job(*[BELL] * 4)
    fake.make_order(work)
    with pytest.raises(Stopped):
        carry_out(InProcess(p2=[Stopped()]))
    assert keys.LAST not in str(list(fake.objects))
    fake.make_order(work)
    runner = InProcess()
    carry_out(runner)
    assert [index for index, _ in runner.seconds] == [2, 3]
    resumed = fake.all_results()
    fake.objects.clear()
    fake.make_order(work)
    carry_out()
    assert fake.all_results() == resumed


def test_stop_keeps_what_is_done(fake: Fake, carry_out: Any) -> None:
    fake.make_order(job(BELL, BELL))
    with pytest.raises(Stopped):
        carry_out(InProcess(p1=[Stopped()]))
    assert [result.index for result in fake.segment("000000").pubs] == [0]


def test_everything_was_there(fake: Fake, carry_out: Any) -> None:
    fake.make_order(job(BELL))
    carry_out()
    fake.make_order(job(BELL))
    fake.requests.clear()
    assert carry_out().reason == "Done"
    assert fake.requests == [("POST", "/v1/orders")] * 2
    assert fake.asked[-1].ended == EndedOrder(OWNER.uid, 0, computed=0)


@pytest.mark.usefixtures("each_pub_a_segment")
def test_a_segment_that_exists_is_skipped_and_not_listed(fake: Fake, carry_out: Any) -> None:
    fake.make_order(job(BELL, BELL, BELL))
    fake.objects[fake.pending("000000")] = b"another attempt's"
    carry_out()
    assert [stored.key[-11:] for stored in fake.segment(keys.LAST).segments] == ["000001.json", "000002.json"]
    assert sorted(fake.all_results()) == [0, 1, 2]


@pytest.mark.usefixtures("each_pub_a_segment")
def test_the_same_pub_in_two_segments_is_listed_once(fake: Fake, carry_out: Any) -> None:
    fake.make_order(job(BELL, BELL))
    carry_out()
    fake.objects[fake.pending("000001")] = fake.objects[fake.pending("000000")].replace(b'"000000"', b'"000001"')
    del fake.objects[fake.pending(keys.LAST)]
    fake.make_order(job(BELL, BELL))
    carry_out()
    assert sorted(fake.all_results()) == [0, 1]


def test_the_last_segment_existed(fake: Fake, carry_out: Any) -> None:
    fake.make_order(job(BELL))
    fake.objects[fake.pending(keys.LAST)] = b"another attempt's"
    assert carry_out().reason == "Done"


def test_a_damaged_segment_is_done_again(fake: Fake, carry_out: Any) -> None:
    fake.objects[fake.pending("000000")] = b"{"
    fake.make_order(job(BELL))
    carry_out()
    assert fake.segment(keys.LAST).segments == []
    assert sorted(fake.all_results()) == [0]


def test_circuits_by_object(fake: Fake, carry_out: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quantumjob_worker.inputs.circuit.MAX_CIRCUIT_BYTES", 500)
    good = transfer.sha256(BELL.encode())
    fake.objects |= {"circuits/bell": BELL.encode(), "circuits/empty": b"", "circuits/big": b"x" * 501}
    references = [ObjectRef("bell"), ObjectRef("bell", good), ObjectRef("bell", "0" * 64)]
    references += [ObjectRef("empty"), ObjectRef("big"), ObjectRef("no")]
    fake.make_order(job(*[Circuit("OpenQASM2", object=reference) for reference in references]))
    carry_out()
    found = fake.all_results()
    reasons = [found[i].error.reason if found[i].error else None for i in range(6)]  # type: ignore[union-attr]
    assert reasons[:3] == [None, None, PubReason.CHECKSUM_MISMATCH]
    assert reasons[3:] == [PubReason.CIRCUIT_EMPTY, PubReason.CIRCUIT_TOO_LARGE, PubReason.CIRCUIT_NOT_FOUND]
    assert found[0].metadata.input_sha256 == good


def test_inline_qpy_that_is_no_base64(fake: Fake, carry_out: Any) -> None:
    fake.make_order(job(Circuit("QPY", inline="§"), Circuit("QPY", inline=base64.b64encode(b"no").decode())))
    carry_out()
    assert {r.error.reason for r in fake.all_results().values() if r.error} == {PubReason.SYNTAX_ERROR}


def test_a_child_that_dies_takes_only_its_pub(fake: Fake, carry_out: Any) -> None:
    fake.make_order(job(BELL, BELL, BELL))
    carry_out(InProcess(p1=[DIED, DIED]))
    found = fake.all_results()
    assert [found[i].error is None for i in range(3)] == [True, False, True]
    assert "SIGSEGV" in found[1].error.message  # type: ignore[union-attr]


def test_late_pubs_have_a_second_turn(fake: Fake, carry_out: Any) -> None:
    fake.make_order(job(BELL, BELL, BELL), seconds_left=1000)
    runner = InProcess(p0=[LATE], p1=[LATE] * 9)
    carry_out(runner)
    order = [0, 1, 1, 2, 0, 1]  # the second time 1 runs alone, since it had been late in company
    assert [index for index, _ in runner.seconds] == order
    found = fake.all_results()
    assert found[0].error is None
    assert found[1].error is not None
    assert found[1].error.reason == PubReason.DEADLINE_EXCEEDED
    assert "activeDeadlineSeconds" in found[1].error.message


def test_no_time_at_all(fake: Fake, carry_out: Any) -> None:
    fake.make_order(job(BELL), seconds_left=0)
    carry_out()
    assert [r.error.reason for r in fake.all_results().values() if r.error] == [PubReason.NOT_RUN]


@pytest.mark.usefixtures("each_pub_a_segment")
def test_a_store_that_is_out_for_a_while(fake: Fake, carry_out: Any) -> None:
    fake.faults["PUT", fake.pending("00000")] = [503] * 5
    fake.faults["PUT", fake.pending(keys.LAST)] = [500] * 5
    fake.make_order(job(BELL, BELL, BELL))
    carry_out()
    assert sorted(fake.all_results()) == [0, 1, 2]


@pytest.mark.usefixtures("each_pub_a_segment")
def test_no_more_urls_does_not_stop_the_work(fake: Fake, carry_out: Any) -> None:
    fake.faults["POST", f"/v1/orders/{OWNER.uid}/0/urls"] = [500] * 50
    fake.make_order(job(*[BELL] * 4), urls=1)
    carry_out()
    assert sorted(fake.all_results()) == [0, 1, 2, 3]
    assert len(fake.segment(keys.LAST).segments) == 1


def test_a_store_that_stays_out(fake: Fake, carry_out: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "STORE_SECONDS", -1.0)
    fake.faults["PUT", ""] = [503] * 99
    fake.make_order(job(BELL))
    with pytest.raises(WorkerExit) as end:
        carry_out()
    assert end.value.code == Exit.TEMPORARY


def test_a_store_that_refuses(fake: Fake, carry_out: Any) -> None:
    fake.faults["PUT", ""] = [403] * 9
    fake.make_order(job(BELL))
    with pytest.raises(WorkerExit) as end:
        carry_out()
    assert end.value.code == Exit.TEMPORARY


@pytest.mark.parametrize(
    ("answers", "code"),
    [([204, 403, 204, 401, 500], None), ([403, 403, 403], Exit.TEMPORARY), ([401, 403, 401], Exit.TEMPORARY)],
)
def test_the_order_endpoint_hesitates(fake: Fake, carry_out: Any, answers: list[int], code: Exit | None) -> None:
    fake.answers = answers
    fake.make_order(job(BELL))
    if code is None:
        assert carry_out().reason == "Done"
        return
    with pytest.raises(WorkerExit) as end:
        carry_out()
    assert end.value.code == code


def test_no_operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "UNREACHABLE_SECONDS", -1.0)
    (tmp_path / "token").write_text("t")
    client = OrdersClient("http://127.0.0.1:1", "", str(tmp_path / "token"), sleep=lambda _seconds: None)
    with pytest.raises(WorkerExit) as end:
        client.next_order()
    assert end.value.code == Exit.TEMPORARY


def test_a_program_of_another_job_and_one_that_cannot_be_read(fake: Fake, carry_out: Any) -> None:
    order = fake.make_order(job(BELL))
    for raw in (b'{"uid":1}', bytes(order.program).replace(b"uid-1", b"uid-2")):
        fake.objects[keys.program(OWNER)] = raw
        fake.orders = [fetched(order)]
        with pytest.raises(WorkerExit) as end:
            carry_out()
        assert end.value.code == Exit.BAD_PROGRAM


def test_a_large_program_is_fetched(fake: Fake, carry_out: Any) -> None:
    order = fake.make_order(job(BELL))
    fake.objects[keys.program(OWNER)] = bytes(order.program)
    fake.orders = [fetched(order)]
    carry_out()
    assert sorted(fake.all_results()) == [0]


def test_nothing_secret_is_logged(fake: Fake, carry_out: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "quantumjob_worker")
    fake.faults["PUT", ""] = [503] * 3
    fake.faults["POST", "/v1/orders"] = [500]
    fake.make_order(job(BELL, "OPENQASM 2.0; secret-text;"))
    carry_out()
    own = "\n".join(str(vars(r)) for r in caplog.records if r.name.startswith("quantumjob_worker"))
    assert own
    for secret in ("http://", "secret-token", "secret-text", "qreg"):
        assert secret not in own


def with_noise(noise: Noise, *sources: str) -> Any:
    return msgspec.structs.replace(job(*sources), backend=Backend(noise=noise))


def test_declared_noise_is_the_pub_s(fake: Fake, carry_out: Any) -> None:
    flipped = Noise(readout=Readout(1.0, 1.0))
    fake.make_order(with_noise(flipped, 'OPENQASM 2.0;include "qelib1.inc";qreg q[2];creg c[2];x q[0];measure q->c;'))
    carry_out()
    (found,) = fake.all_results().values()
    assert found.data is not None
    assert found.data["c"].counts == {"10": 100}


def test_a_noise_model_is_read_once_for_all_pubs(fake: Fake, carry_out: Any) -> None:
    data = b'{"readout": {"probMeas1Prep0": 1}}'
    fake.objects["circuits/n.json"] = data
    order = fake.make_order(with_noise(Noise(object=ObjectRef("n.json", transfer.sha256(data))), BELL, BELL))
    fake.orders = [msgspec.structs.replace(order, circuits={"n.json": fake.link("circuits/n.json")})]
    carry_out()
    assert [found.data["c"].counts for found in fake.all_results().values() if found.data] == [{"11": 100}] * 2
    assert fake.count("GET", "circuits/n.json") == 1


@pytest.mark.parametrize(
    ("data", "sha256"), [(None, None), (b"{}", "0" * 64), (b"{", None), (b'{"version": 3}', None), (b" " * 99, None)]
)
def test_a_noise_model_that_cannot_be_had(
    fake: Fake, carry_out: Any, monkeypatch: pytest.MonkeyPatch, data: bytes | None, sha256: str | None
) -> None:
    monkeypatch.setattr("quantumjob_worker.inputs.noise_model.MAX_NOISE_BYTES", 50)
    if data is not None:
        fake.objects["circuits/n.json"] = data
    order = fake.make_order(with_noise(Noise(object=ObjectRef("n.json", sha256)), BELL, BELL))
    fake.orders = [msgspec.structs.replace(order, circuits={"n.json": fake.link("circuits/n.json")})]
    carry_out()
    reasons = [found.error.reason for found in fake.all_results().values() if found.error]
    assert reasons == [PubReason.INVALID_NOISE] * 2
