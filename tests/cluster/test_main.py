"""The main path: a QuantumJob from its manifest to its results, as kubectl and the buckets show it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml
from namespaces import BELL, ENDLESS, EXAMPLES, Namespace, pub, stored
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, qasm3
from qiskit.circuit import Parameter
from qiskit_aer.primitives import SamplerV2

import cluster
from quantumjob.results import primitive_result
from quantumjob_contract import keys, names
from quantumjob_contract.reader import counts
from quantumjob_contract.transfer import sha256

both_kinds = pytest.mark.usefixtures("workers")
"""With shared workers; in the long tier with dedicated ones, too."""


@both_kinds
def test_bell_from_yaml_to_counts(namespace: Namespace) -> None:
    """In a new namespace that enforces PodSecurity `restricted`, by kubectl alone."""
    cluster.kubectl("apply", "-n", namespace.name, "-f", str(EXAMPLES / "bell.yaml"))
    cluster.kubectl("wait", "--for=condition=Complete", "qj/bell", "-n", namespace.name, "--timeout=60s")
    job = namespace.get("bell")
    (result,) = namespace.results(job).pubs()
    assert result.data is not None
    found = counts(result.data["c"])
    assert set(found) == {"00", "11"}
    assert sum(found.values()) == 1024
    text = job["status"]["results"]["pubs"][0]["summary"]
    assert f"00:{found['00']}" in text


def test_kubectl_shows_status_columns_and_events(namespace: Namespace, workers: str) -> None:
    namespace.apply("bell", pub("bell"), program={"shots": 100})
    job = namespace.finished("bell")
    status = job["status"]
    assert status["observedGeneration"] == job["metadata"]["generation"]
    assert {c["type"]: c["status"] for c in status["conditions"]} == {
        "Accepted": "True",
        "Reconciling": "False",
        "Ready": "True",
        "ResultsStored": "True",
        "Complete": "True",
    }
    assert all(c["reason"] and c["message"] and c["observedGeneration"] == 1 for c in status["conditions"])
    head, line = cluster.kubectl("get", "qj", "-n", namespace.name).strip().splitlines()
    assert head.split() == ["NAME", "PHASE", "PROGRESS", "BACKEND", "SHOTS", "AGE"]
    assert line.split()[:5] == ["bell", "Succeeded", "1/1", "aer", "100"]
    described = cluster.eventually(
        "the Events are listed",
        lambda: (
            (text := cluster.kubectl("describe", "qj", "bell", "-n", namespace.name))
            and "AllPubsSucceeded  " in text.split("Events:")[1]
            and text
        ),
        10,
    )
    assert ("WorkerCreated" in described) == (workers == names.DEDICATED)
    assert status["results"]["uri"] in described


def test_kubectl_explains_the_fields() -> None:
    text = cluster.kubectl("explain", "quantumjob.spec", "--recursive=false")
    assert "program" in text
    deep = cluster.kubectl("explain", "quantumjob.spec.program.pubs")
    for word in ("circuit", "name", "shots", "DESCRIPTION"):
        assert word in deep


@both_kinds
def test_all_examples_succeed(namespace: Namespace) -> None:
    namespace.upload("examples/ghz.qasm", (EXAMPLES / "ghz.qasm").read_bytes())
    files = sorted(EXAMPLES.glob("*.yaml"))
    for path in files:
        cluster.apply(path.read_text(), namespace.name)
    for path in files:
        job = namespace.finished(yaml.safe_load(path.read_text())["metadata"]["name"])
        assert job["status"]["phase"] == "Succeeded", job["status"]
        assert all(result.data or result.expectations or result.arrays for result in namespace.results(job).pubs())


@both_kinds
def test_a_sweep_equals_aers_sampler_result(namespace: Namespace) -> None:
    """From parameterValues in the resource to Qiskit's PrimitiveResult, with the same bits as Aer's SamplerV2."""
    circuit = QuantumCircuit(QuantumRegister(2, "q"), ClassicalRegister(2, "c"))
    theta = Parameter("theta")
    circuit.ry(theta, 0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    values = np.linspace(0, np.pi, 300).reshape(3, 100)
    sweep = pub("sweep", qasm3.dumps(circuit), parameterValues={"theta": values.tolist()})
    namespace.apply("sweep", sweep, pub("bell"), program={"shots": 50, "seed": 7})
    job = namespace.finished("sweep")
    assert job["status"]["results"]["pubs"][0]["summary"].startswith("c 300 points 00:")
    found = primitive_result(namespace.results(job))
    options = {"backend_options": {"method": "statevector"}}
    bell = qasm3.loads(BELL)
    wanted = SamplerV2(seed=7, options=options).run([(circuit, values), bell], shots=50).result()
    for mine, theirs in zip(found, wanted, strict=True):
        assert list(mine.data) == list(theirs.data)
        assert mine.data.shape == theirs.data.shape
        assert np.array_equal(mine.data.c.array, theirs.data.c.array)


@both_kinds
def test_expectation_values_of_an_estimator(namespace: Namespace) -> None:
    cluster.apply((EXAMPLES / "h2-estimator.yaml").read_text(), namespace.name)
    job = namespace.finished("h2-estimator")
    assert "-1.85728" in job["status"]["results"]["pubs"][0]["summary"]
    exact, noisy = primitive_result(namespace.results(job))
    assert exact.data.evs.shape == (5,)
    assert exact.data.evs.min() == pytest.approx(-1.857275, abs=1e-6)
    assert noisy.data.evs.shape == (2,)
    assert noisy.data.stds.tolist() == [0.01, 0.01]


@both_kinds
def test_saved_statevectors_and_probabilities(namespace: Namespace) -> None:
    cluster.apply((EXAMPLES / "statevector.yaml").read_text(), namespace.name)
    job = namespace.finished("statevector")
    assert job["status"]["results"]["pubs"][0]["summary"] == "statevector [3, 4]; probabilities [3, 4]"
    pair, measured = primitive_result(namespace.results(job))
    angles = np.array([0.0, np.pi / 4, np.pi / 2])
    assert np.allclose(pair.data.statevector[:, [0, 3]].T, [np.cos(angles / 2), np.sin(angles / 2)])
    assert np.allclose(pair.data.probabilities.sum(axis=-1), 1)
    assert measured.data.c.num_shots == 1024
    assert np.allclose(measured.data.density_matrix.diagonal(), 0.25)


@both_kinds
def test_invalid_parameter_values_are_rejected_before_the_run(namespace: Namespace) -> None:
    text = "OPENQASM 3.0; input float a; qubit q; bit c; U(a, 0, 0) q; c = measure q;"
    namespace.apply("ragged", pub("p", text, parameterValues={"a": [[1, 2], [3]]}))
    failed = cluster.condition(namespace.finished("ragged"), "Failed")
    assert failed["reason"] == "InvalidSpec"
    assert "parameterValues is ragged" in failed["message"]
    namespace.apply("unknown", pub("p", text, parameterValues={"b": 1, "a": 1}))
    assert cluster.condition(namespace.finished("unknown"), "Failed")["reason"] == "UnknownParameters"


@both_kinds
def test_invalid_circuit_objects_fail_without_a_retry(namespace: Namespace) -> None:
    good = namespace.upload("good.qasm", BELL.encode())
    namespace.upload("empty.qasm", b"")
    namespace.upload("large.qasm", b"/" * (16 * 1024 * 1024 + 1))
    cases = {
        "wrong-sum": (stored("p", good, sha256="0" * 64), "ChecksumMismatch"),
        "missing": (stored("p", "nowhere.qasm"), "CircuitNotFound"),
        "empty": (stored("p", "empty.qasm"), "CircuitEmpty"),
        "large": (stored("p", "large.qasm"), "CircuitTooLarge"),
    }
    namespace.apply("right", stored("p", good, sha256=sha256(BELL.encode())))
    for name, (bad, _) in cases.items():
        namespace.apply(name, bad)
    assert namespace.finished("right")["status"]["phase"] == "Succeeded"
    for name, (_, reason) in cases.items():
        job = namespace.finished(name)
        assert job["status"]["phase"] == "Failed"
        failed = cluster.condition(job, "Failed")
        assert failed["reason"] == reason, failed
        assert len(namespace.runs(job)) == 1, "no retry"
        (result,) = namespace.results(job).pubs()
        assert result.error is not None
        assert result.error.reason == reason


@both_kinds
def test_a_large_program(namespace: Namespace) -> None:
    """Too large for an order: the worker reads it from the store."""
    namespace.apply("large", *(pub(f"p{number}", BELL + "// " + "x" * 20_000) for number in range(8)))
    assert namespace.finished("large")["status"]["progress"] == "8/8"


@both_kinds
def test_two_failed_pubs_of_twelve_leave_ten_results(namespace: Namespace) -> None:
    secret = "do_not_tell_anybody"
    syntax = f'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[2] q;\nh q[0] {secret};\n'
    pubs = [pub(f"good-{number}") for number in range(10)]
    pubs.insert(3, pub("syntax", syntax))
    pubs.insert(7, pub("endless", ENDLESS))
    namespace.apply("dozen", *pubs, program={"shots": 50}, activeDeadlineSeconds=40)
    job = namespace.finished("dozen")
    status = job["status"]
    assert (status["phase"], status["progress"]) == ("PartlyFailed", "10/12")
    complete = cluster.condition(job, "Complete")
    assert complete["reason"] == "SomePubsFailed"
    assert "10/12" in complete["message"]
    results = {result.name: result for result in namespace.results(job).pubs()}
    assert len(results) == 12
    assert sum(result.data is not None for result in results.values()) == 10
    error = results["syntax"].error
    assert error is not None
    assert (error.reason, error.line) == ("SyntaxError", 4)
    assert error.column is not None
    endless_error = results["endless"].error
    assert endless_error is not None
    assert endless_error.reason == "DeadlineExceeded"
    (pod,) = namespace.runs(job)
    log = namespace.log_text(pod)
    assert "order received" in log
    everything = json.dumps(job["status"]) + log
    manifest = namespace.store.completed.get(keys.manifest(namespace.owner(job)), 10**7).decode()
    everything += manifest.split('"inline"')[0]
    assert secret not in everything
    assert "Traceback" not in everything
