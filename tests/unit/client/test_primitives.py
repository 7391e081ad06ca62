"""Qiskit's programs with this Sampler and Estimator in place of Aer's."""

from __future__ import annotations

import base64
import gc
import io
import math
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, qpy
from qiskit.circuit import Parameter, ParameterVector
from qiskit.primitives import BaseEstimatorV2, BaseSamplerV2, PrimitiveResult, SamplerPubResult
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit.providers import JobStatus
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit_aer.primitives import EstimatorV2, SamplerV2
from rich.console import Console

from quantumjob import Client, Estimator, Job, JobFailed, Sampler, WaitTimeout, errors, models, progress
from quantumjob.submission import circuits
from quantumjob.submission.pubs import RESERVED, estimator_pub, program, sampler_pub
from quantumjob_contract import limits
from support.service import TOKEN, URL, Running

JSON = dict[str, Any]
NAMED = {"backend": {"method": "statevector"}}
"""By which Aer runs circuits that would go to stim."""
STATEVECTOR = {"backend_options": {"method": "statevector"}}


def bell(name: str = "meas") -> QuantumCircuit:
    circuit = QuantumCircuit(2, metadata={"of": name})
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


def wide(qubits: int) -> QuantumCircuit:
    circuit = QuantumCircuit(qubits)
    circuit.h(range(qubits))
    circuit.measure_all()
    return circuit


def test_the_same_samples_as_aer_s_own_sampler_for_the_same_seed(client: Client) -> None:
    pubs = [bell(), wide(11), bell()]
    ours = Sampler(client, seed=5, spec=NAMED).run(pubs, shots=200).result(30)
    theirs = SamplerV2(seed=5, options=STATEVECTOR).run(pubs, shots=200).result()
    assert isinstance(ours, PrimitiveResult)
    assert len(ours) == 3
    for mine, other in zip(ours, theirs, strict=True):
        assert isinstance(mine, SamplerPubResult)
        assert mine.data.shape == other.data.shape == ()
        assert np.array_equal(mine.data.meas.array, other.data.meas.array)
        assert mine.data.meas.array.dtype == other.data.meas.array.dtype
        assert mine.data.meas.get_counts() == other.data.meas.get_counts()
        assert mine.join_data().num_shots == 200
        assert mine.metadata["shots"] == other.metadata["shots"]


def test_they_are_qiskit_s_primitives(client: Client) -> None:
    assert isinstance(Sampler(client), BaseSamplerV2)
    assert isinstance(Estimator(client), BaseEstimatorV2)


def test_shots_of_a_pub_of_the_run_and_by_default(client: Client) -> None:
    found = Sampler(client, default_shots=7).run([(bell(), None, 3), bell()]).result(30)
    assert [pub.data.meas.num_shots for pub in found] == [3, 7]
    assert Sampler(client).run([bell()], shots=9).result(30)[0].data.meas.num_shots == 9


def test_a_job_is_taken_up_by_its_id_and_outlives_its_resource(client: Client, service: Running) -> None:
    job = Sampler(client, seed=1).run([bell()], name="mine")
    found = job.result(30)
    assert job.result() is found
    for known in (job.job_id(), "mine", job.uid):
        again = Job.from_id(known, Client(URL, token=TOKEN, namespace="team", transport=service.transport))
        assert (again.job_id(), again.status()) == (job.job_id(), JobStatus.DONE)
        assert again.done()
        assert again.result()[0].data.meas == found[0].data.meas
    service.forget("mine")
    for known in (job.job_id(), job.uid):
        again = Job.from_id(known, client)
        assert again.in_final_state()
        assert again.result()[0].data.meas == found[0].data.meas
        assert again.partial_result()[0].data.meas == found[0].data.meas
    with pytest.raises(errors.NotFound):
        Job.from_id("mine", client)


def test_another_job_of_the_same_name_is_not_taken_for_it(client: Client, service: Running) -> None:
    job = Sampler(client).run([bell()], shots=3, name="mine")
    job.result(30)
    service.forget("mine")
    other = Sampler(client).run([bell()], shots=4, name="mine")
    other.result(30)
    assert Job.from_id(job.job_id(), client).result()[0].data.meas.num_shots == 3
    assert not Job.from_id(job.job_id(), client).cancel(), "it has ended, and the other is none of its business"


class Another:
    """Deletes a job, and may make another of its name; `held` goes on, else it has ended."""

    def __init__(self, client: Client, service: Running, by: str) -> None:
        self._client, self._service, self._by = client, service, by
        self._wait = client.wait

    def __call__(self, name: str) -> None:
        self._service.forget(name)
        self._service.cluster.held = self._by == "held"
        if self._by != "none":
            Sampler(self._client).run([bell(), bell()], shots=4, name=name)
        if self._by == "ended":
            self._wait(name, 30)


BY = pytest.mark.parametrize("by", ["none", "held", "ended"])


@BY
@pytest.mark.parametrize("kept", [True, False])
def test_a_job_made_anew_after_the_wait_is_not_taken_for_it(
    client: Client, service: Running, monkeypatch: pytest.MonkeyPatch, by: str, kept: bool
) -> None:
    job = Sampler(client).run([bell()], shots=3, name="mine")
    wait, another = client.wait, Another(client, service, by)

    def replaced(name: str, timeout: float | None = None) -> models.Status:
        found = wait(name, timeout)
        if not kept:
            service.cluster.store.completed.objects.clear()
        another(name)
        return found

    monkeypatch.setattr(client, "wait", replaced)
    if kept:
        assert job.result(30, bar=False)[0].data.meas.num_shots == 3
    else:
        with pytest.raises(JobFailed) as caught:
            job.result(30, bar=False)
        assert (caught.value.reason, caught.value.errors) == ("AllPubsSucceeded", {})


@BY
def test_results_so_far_are_of_no_other_job(
    client: Client, service: Running, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    job = Sampler(client).run([bell()], shots=3, name="mine")
    client.wait("mine", 30)
    status, another = client.status, Another(client, service, by)

    def replaced(name: str) -> models.Status:
        found = status(name)
        another(name)
        return found

    monkeypatch.setattr(client, "status", replaced)
    assert {index: pub.data.meas.num_shots for index, pub in job.partial_result().items()} == {0: 3}


def test_a_result_that_was_stored_after_the_job_was_asked_for_it(
    client: Client, service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the job's status is behind the store."""
    job = Sampler(client).run([bell()], shots=3, name="mine")
    client.wait("mine", 30)

    def late(name: str) -> models.Result:
        raise errors.NotFound(404, "NoResult", "The job has ended without a result.")

    monkeypatch.setattr(client, "result", late)
    assert job.result(30, bar=False)[0].data.meas.num_shots == 3


@pytest.mark.parametrize("known", ["", "a/b", "a/b/c", "a/b/c/d"])
def test_what_is_no_id(client: Client, known: str) -> None:
    with pytest.raises(ValueError, match="is not the id of a job"):
        Job.from_id(known, client)


def test_an_id_of_another_namespace(client: Client) -> None:
    with pytest.raises(errors.NotConfigured, match="namespace other"):
        Job.from_id("other/a/80dd8c36-01f0-4807-9a62-1fbde67eafab", client)


def test_status_timeout_and_cancel(client: Client, service: Running) -> None:
    service.cluster.held = True
    job = Sampler(client).run([bell()])
    assert job.status() is JobStatus.QUEUED
    assert not any((job.done(), job.running(), job.cancelled(), job.in_final_state()))
    for bar in (False, True):
        with pytest.raises(WaitTimeout):
            job.result(0, bar=bar)
    assert job.partial_result() == {}
    assert job.cancel()
    ended = {"type": "Failed", "status": "True", "reason": "Cancelled", "message": "It was cancelled."}
    service.portal.call(lambda: service.cluster.set_status("team", job.name, phase="Cancelled", conditions=[ended]))
    assert job.cancelled()
    assert not job.cancel()
    with pytest.raises(JobFailed, match="It was cancelled"):
        job.result()


def test_a_cancelled_job_is_still_one_when_it_is_deleted(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Sampler(client).run([bell()])
    job.result(30)
    stored = client.stored(job.uid)
    cancelled = msgspec.structs.replace(stored, outcome="Failed", reason="Cancelled")
    monkeypatch.setattr(client, "stored", lambda _uid: cancelled)
    client.delete(job.name)
    assert job.cancelled()
    assert not job.cancel()


def test_numbers_of_numpy(client: Client) -> None:
    """Where Python's are expected, and in `spec`."""
    spec = {"backend": {"noise": {"depolarizing": {"oneQubit": np.float64(0.1)}}}, "parallelism": np.int64(1)}
    sampler = Sampler(client, seed=np.int64(3), default_shots=np.int64(5), spec=spec)  # type: ignore[arg-type]
    found = sampler.run([bell(), (bell(), None, np.int64(7))]).result(30)
    assert [pub.data.meas.num_shots for pub in found] == [5, 7]
    circuit = QuantumCircuit(1)
    pubs = [(circuit, "Z", None, np.float64(0.01)), (circuit, "Z")]
    values = Estimator(client, default_precision=1 / np.sqrt(4096)).run(pubs).result(30)
    assert [pub.metadata["target_precision"] for pub in values] == [0.01, 1 / 64]


def test_numbers_that_json_has_not(client: Client, service: Running) -> None:
    """They would be null there, and null is what is left out."""
    with pytest.raises(ValueError, match="NaN or infinite"):
        Estimator(client).run([(QuantumCircuit(1), "Z")], precision=float("nan"))
    swept = QuantumCircuit(1, 1)
    swept.rx(Parameter("a"), 0)
    with pytest.raises(ValueError, match="Pub 1: A value of a is NaN or infinite"):
        Sampler(client).run([(swept, [0.1]), (swept, [math.inf])])
    with pytest.raises(ValueError, match=r"Pub 0: Parameter values of shape \(0,\) have no point"):
        Sampler(client).run([(swept, np.zeros((0, 1)))])
    with pytest.raises(TypeError, match="Pub 1: "):
        Estimator(client).run([(swept, "Z", [0.1]), (swept, "Z", [0.1j])])
    with pytest.raises(ValueError, match="NaN or infinite"):
        client.submit({"circuit": "", "shots": float("inf")})
    with pytest.raises(TypeError, match="cannot hold a set"):
        client.submit({"circuit": {"a"}})
    assert not service.jobs()


def test_what_would_be_ignored_is_an_error(client: Client) -> None:
    for save in ("statevector", ["Statevector", "Foo"]):
        with pytest.raises(ValueError, match="Statevector, DensityMatrix, Probabilities, and not"):
            Sampler(client).run([bell()], save=save)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cannot have `program`"):
        Sampler(client, spec={"program": {"shots": 3}})


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_register_that_no_result_can_hold(client: Client, service: Running, name: str) -> None:
    """Qiskit says so when the result is made, which would be after the run."""
    circuit = QuantumCircuit(QuantumRegister(1), ClassicalRegister(1, name))
    circuit.measure(0, 0)
    with pytest.raises(ValueError, match=f"Rename the register '{name}'"):
        Sampler(client).run([circuit])
    assert not service.jobs()


def test_a_name_with_a_slash_is_no_job_s(client: Client) -> None:
    with pytest.raises(errors.NotFound, match="bell/result"):
        client.status("bell/result")


def test_one_name_of_an_array_to_save(client: Client) -> None:
    found = Sampler(client).run([bell()], save="Probabilities").result(30)
    assert np.allclose(found[0].data.probabilities, [0.5, 0, 0, 0.5])


def test_a_delay_with_noise_is_not_sent_without_its_unit(client: Client) -> None:
    """Qiskit's QPY writes dt for each: a microsecond would be one dt."""
    circuit = QuantumCircuit(1, 1)
    with circuit.if_test((0, 0)):
        circuit.delay(1, 0, "us")
    circuit.measure(0, 0)
    noise = {"backend": {"noise": {"readout": {"zeroAsOne": 0.1}}}}
    with pytest.raises(ValueError, match="loses a delay's unit"):
        Sampler(client, spec=noise).run([circuit])
    assert Sampler(client).run([circuit], shots=3).result(30)[0].data.c.num_shots == 3


def test_a_client_that_nobody_holds_closes_its_connections(service: Running) -> None:
    client = Client(URL, token=TOKEN, namespace="team", transport=service.transport)
    http = client._http
    del client
    gc.collect()
    assert http.is_closed


def test_a_bar_follows_a_job_to_its_end(
    client: Client, service: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "QUICK_SECONDS", 0.0)
    service.cluster.held = True
    job = Sampler(client).run([bell(), bell()])
    with pytest.raises(WaitTimeout):
        progress._wait_with_bar(client, job.name, 0.0, Console(stderr=True))
    service.portal.start_task_soon(service.cluster.work, job.name)
    assert len(job.result(30, bar=True)) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("told", "counted"), [("", (0, None)), ("3/16", (3, 16)), ("a/b", (0, None))])
def test_what_progress_says(told: str, counted: tuple[int, int | None]) -> None:
    assert progress.counted(told) == counted


def test_a_failed_pub_is_told_and_the_others_can_be_had(client: Client) -> None:
    free = QuantumCircuit(1, 1)
    free.rx(Parameter("x"), 0)
    free.measure(0, 0)
    made = [{"shots": 5}, {"shots": 5}]
    job = Sampler(client)._submit("Sampler", made, [bell(), free], None)
    with pytest.raises(JobFailed) as caught:
        job.result(30)
    assert caught.value.reason == "SomePubsFailed"
    assert list(caught.value.errors) == [1]
    assert list(job.partial_result()) == [0]
    assert job.status() is JobStatus.ERROR


def test_circuits_are_inside_while_they_are_small(client: Client, service: Running) -> None:
    large = QuantumCircuit(1, 1)
    for step in range(20_000):
        large.rz(0.001 * step, 0)
    large.measure(0, 0)
    assert len(circuits.packed(large)) > limits.MAX_INLINE_CHARS
    Sampler(client).run([bell(), large], shots=5, name="mixed").result(60)
    small, other = (pub["circuit"] for pub in service.jobs()[0]["spec"]["program"]["pubs"])
    assert qpy.load(io.BytesIO(base64.b64decode(small["inline"])))[0] == bell()
    assert list(service.cluster.store.circuits.objects) == [f"team/{other['object']['key']}"]
    assert other["object"]["key"] == f"sha256/{other['object']['sha256']}"


def test_many_circuits_that_are_too_much_together() -> None:
    files = [bytes([number]) * 150_000 for number in range(7)]
    uploaded: list[bytes] = []
    found = circuits.placed(files, lambda data: uploaded.append(data) or "key")  # type: ignore[func-returns-value]
    assert [("inline" in each) for each in found].count(False) == len(uploaded) == 2


def test_more_pubs_than_a_resource_holds_are_listed_by_an_object(client: Client, service: Running) -> None:
    """And what comes back is the same, in the same order."""
    pubs = [bell()] * (limits.MAX_PUBS + 1)
    job = Sampler(client, seed=3).run(pubs, shots=2, name="many")
    result = job.result(120)
    (made,) = service.jobs()
    assert "pubs" not in made["spec"]["program"]
    assert list(service.cluster.store.circuits.objects) == [
        f"team/{made['spec']['program']['pubsFrom']['object']['key']}"
    ]
    assert len(result) == len(pubs)
    few = Sampler(client, seed=3).run(pubs[:3], shots=2, name="few").result(60)
    assert [result[i].data.meas.array.tolist() for i in range(3)] == [few[i].data.meas.array.tolist() for i in range(3)]


def test_a_large_sweep_is_listed_by_an_object() -> None:
    values = [[0.123456789, 1.0]] * 20_000
    uploaded: list[bytes] = []
    pubs = [{"shots": 5, "parameterValues": {"a, b": values}}]

    def upload(data: bytes) -> str:
        uploaded.append(data)
        return "key"

    made = program("Sampler", pubs, [b"x"], None, upload)
    assert made["pubsFrom"]["object"]["key"] == "key"
    assert b"0.123456789" in uploaded[0]


@pytest.mark.parametrize(("shots", "shown"), [([5, 5], 5), ([5, 6], None), ([None, None], None)])
def test_shots_that_all_have_are_the_job_s(shots: list[int | None], shown: int | None) -> None:
    """`kubectl get` shows those."""
    pubs = [{} if each is None else {"shots": each} for each in shots]
    assert program("Sampler", pubs, [b"x", b"y"], None, lambda _data: "key").get("shots") == shown


def test_qpy_is_of_the_oldest_version_that_holds_the_circuit() -> None:
    assert circuits.packed(bell())[6] == qpy.QPY_COMPATIBILITY_VERSION
    stretched = QuantumCircuit(1)
    stretched.delay(stretched.add_stretch("a"), 0)
    assert circuits.packed(stretched)[6] > qpy.QPY_COMPATIBILITY_VERSION


def swept() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    theta = ParameterVector("t", 2)
    circuit.rx(theta[0], 0)
    circuit.ry(theta[1], 1)
    circuit.measure_all()
    return circuit


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.1, 0.2], {"t[0], t[1]": [0.1, 0.2]}),
        ([[0.1, 0.2], [0.3, 0.4]], {"t[0], t[1]": [[0.1, 0.2], [0.3, 0.4]]}),
        ({"t[0]": [1, 2], "t[1]": [3, 4]}, {"t[0]": [[1.0], [2.0]], "t[1]": [[3.0], [4.0]]}),
        ({("t[1]", "t[0]"): [3, 4]}, {"t[1], t[0]": [3.0, 4.0]}),
    ],
)
def test_parameter_values_keep_their_shape(values: Any, expected: JSON) -> None:
    assert sampler_pub(SamplerPub.coerce((swept(), values), 10)) == {"shots": 10, "parameterValues": expected}


@pytest.mark.parametrize("name", ["a,b", " a", "a ", "a[0:3]"])
def test_names_that_would_be_read_otherwise(name: str) -> None:
    circuit = QuantumCircuit(1)
    circuit.rx(Parameter(name), 0)
    with pytest.raises(ValueError, match="Rename the parameter"):
        sampler_pub(SamplerPub.coerce((circuit, [0.1]), 1))


def test_points_of_a_circuit_without_parameters() -> None:
    with pytest.raises(ValueError, match="has no parameters"):
        sampler_pub(SamplerPub.coerce((bell(), np.zeros((3, 0))), 1))


@pytest.mark.parametrize(
    ("observables", "expected"),
    [
        ("ZZ", {"ZZ": 1.0}),
        (["ZZ", {"XX": 2, "IZ": -1}], [{"ZZ": 1.0}, {"IZ": -1.0, "XX": 2.0}]),
        ([[SparsePauliOp(["ZI", "IX"], [0.5, 2])]], [[{"IX": 2.0, "ZI": 0.5}]]),
        ("0I", {"II": 0.5, "ZI": 0.5}),
        ({"+I": 1.0, "ZZ": 3.0}, {"II": 0.5, "XI": 0.5, "ZZ": 3.0}),
    ],
)
def test_observables_keep_their_shape(observables: Any, expected: Any) -> None:
    circuit = QuantumCircuit(2)
    found = estimator_pub(EstimatorPub.coerce((circuit, observables), 0.1))
    assert found == {"precision": 0.1, "observables": expected}


def test_what_an_estimator_submits(client: Client, service: Running) -> None:
    service.cluster.held = True
    circuit = swept().remove_final_measurements(inplace=False)
    Estimator(client, seed=3, spec={"dedicated": True}, labels={"team": "blue"}).run(
        [(circuit, ["ZZ", "XX"], [[0.1, 0.2], [0.3, 0.4]])], precision=0.25
    )
    (made,) = service.jobs()
    assert made["spec"]["dedicated"] is True
    assert made["metadata"]["labels"]["team"] == "blue"
    program = made["spec"]["program"]
    assert (program["primitive"], program["seed"]) == ("Estimator", 3)
    assert {name: value for name, value in program["pubs"][0].items() if name != "circuit"} == {
        "name": "pub-0",
        "precision": 0.25,
        "observables": [{"ZZ": 1.0}, {"XX": 1.0}],
        "parameterValues": {"t[0], t[1]": [[0.1, 0.2], [0.3, 0.4]]},
    }


def test_a_sweep_has_the_samples_and_the_shape_of_aer_s(client: Client) -> None:
    values = np.linspace(0, 3, 12).reshape(2, 3, 2)
    ours = Sampler(client, seed=5).run([(swept(), values), bell()], shots=50).result(30)
    theirs = SamplerV2(seed=5, options=STATEVECTOR).run([(swept(), values), bell()], shots=50).result()
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.data.shape == other.data.shape
        assert np.array_equal(mine.data.meas.array, other.data.meas.array)


@pytest.mark.parametrize("precision", [0.0, 0.1])
def test_the_same_values_as_aer_s_own_estimator(client: Client, precision: float) -> None:
    circuit = swept().remove_final_measurements(inplace=False)
    values = np.linspace(0, 3, 6).reshape(3, 1, 2)
    pubs = [(circuit, ["ZZ", {"XX": 0.5, "IZ": 2.0}], values), (circuit, "0+", [0.1, 0.2])]
    ours = Estimator(client, seed=5).run(pubs[:1], precision=precision).result(30)
    options = STATEVECTOR | {"run_options": {"seed_simulator": 5}}
    theirs = EstimatorV2(options=options).run(pubs[:1], precision=precision).result()
    assert ours[0].data.evs.shape == (3, 2)
    assert np.allclose(ours[0].data.evs, theirs[0].data.evs, atol=1e-12)
    assert np.array_equal(ours[0].data.stds, theirs[0].data.stds)
    (projected,) = Estimator(client).run(pubs[1:]).result(30)
    assert (projected.data.evs.shape, float(projected.data.evs)) == ((), pytest.approx(0.5 * np.cos(0.1) ** 2))


def test_registers_are_in_the_circuit_s_order(client: Client) -> None:
    circuit = QuantumCircuit(QuantumRegister(2), ClassicalRegister(1, "z"), ClassicalRegister(1, "a"))
    circuit.x(0)
    circuit.measure([0, 1], [0, 1])
    (pub,) = Sampler(client).run([circuit], shots=3).result(30)
    assert list(pub.data) == ["z", "a"]
    assert pub.join_data().get_counts() == {"01": 3}


def test_what_is_saved_is_in_the_data_beside_the_samples(client: Client, service: Running) -> None:
    circuit = swept()
    values = np.linspace(0, 3, 6).reshape(3, 2)
    job = Sampler(client, seed=5).run([(circuit, values), bell()], shots=20, save=["Probabilities", "Statevector"])
    found = job.result(30)
    assert service.jobs()[0]["spec"]["program"]["pubs"][0]["save"] == ["Statevector", "Probabilities"]
    assert list(found[0].data) == ["meas", "statevector", "probabilities"]
    assert (found[0].data.shape, found[0].data.meas.num_shots) == ((3,), 20)
    for point, value in enumerate(values):
        state = Statevector(circuit.remove_final_measurements(inplace=False).assign_parameters(value))
        assert np.allclose(found[0].data.statevector[point], state.data)
        assert np.allclose(found[0].data.probabilities[point], state.probabilities())
    assert found[0].data.statevector.dtype == np.complex128
    assert found[1].join_data(["meas"]).num_shots == 20
    service.forget(job.name)
    again = Job.from_id(job.uid, client).result()
    assert np.array_equal(again[0].data.statevector, found[0].data.statevector)


def test_a_circuit_that_measures_nothing_may_save_its_state(client: Client) -> None:
    circuit = swept().remove_final_measurements(inplace=False)
    (pub,) = Sampler(client).run([(circuit, np.zeros((2, 3, 2)))], save=["DensityMatrix"]).result(30)
    assert list(pub.data) == ["density_matrix"]
    assert (pub.data.shape, pub.data.density_matrix.shape) == ((2, 3), (2, 3, 4, 4))
    with pytest.raises(JobFailed, match="NoMeasurement"):
        Sampler(client).run([(circuit, [0.0, 0.0])]).result(30)


def test_arrays_that_are_not_what_was_committed(client: Client, service: Running) -> None:
    job = Sampler(client).run([bell()], save=["Statevector"])
    client.wait(job.name)
    stored = client.result(job.name).arrays[0]
    assert len(client.arrays(stored)) == stored.bytes
    bucket = service.cluster.store.completed
    (key,) = (key for key in bucket.objects if key.endswith(".npz"))
    bucket.objects[key] = b"x" * stored.bytes
    with pytest.raises(errors.NotVerified):
        job.result(30)


def test_a_service_that_gives_other_arrays(client: Client, service: Running) -> None:
    job = Sampler(client).run([bell()], save=["Statevector"])
    client.wait(job.name)
    (stored,) = client.result(job.name).arrays
    service.wire.instead = [httpx.Response(200, content=b"x" * stored.bytes)]
    with pytest.raises(errors.NotVerified):
        client.arrays(stored)


def test_a_pub_that_fails_does_not_cost_the_others_their_arrays(client: Client) -> None:
    measured = QuantumCircuit(1, 1)
    measured.measure(0, 0)
    measured.h(0)
    job = Sampler(client).run([bell(), measured], shots=5, save=["Statevector"])
    with pytest.raises(JobFailed, match="NotPure"):
        job.result(30)
    assert {index: list(pub.data) for index, pub in job.partial_result().items()} == {0: ["meas", "statevector"]}
    client.delete(job.name)
    assert {index: list(pub.data) for index, pub in job.partial_result().items()} == {0: ["meas", "statevector"]}
