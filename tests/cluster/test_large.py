"""Jobs of many pubs: listed by an object, split into shards, with workers that are killed."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import pytest
from namespaces import BELL, Namespace, long_pubs, pub, quantumjob
from qiskit import QuantumCircuit, qpy
from qiskit.circuit import Parameter

import cluster
from quantumjob_contract import keys
from quantumjob_contract.schema.results import PubResult

JSON = dict[str, Any]
KEY = "pubs.jsonl"

pytestmark = pytest.mark.usefixtures("workers")


def lines(*texts: str) -> bytes:
    """A line of JSON for each circuit."""
    return "\n".join(json.dumps({"circuit": {"inline": text}}) for text in texts).encode()


def listed(namespace: Namespace, name: str, **spec: Any) -> JSON:
    """Applies a QuantumJob whose pubs are in the object KEY."""
    program = {"shots": 20, "seed": 5, "pubsFrom": {"object": {"key": KEY}}}
    cluster.apply(quantumjob(name, program, **spec), namespace.name)
    return namespace.get(name)


def results(namespace: Namespace, job: JSON) -> dict[int, PubResult]:
    """Returns the results by index; each pub has one."""
    found = list(namespace.results(job).pubs())
    assert len({result.index for result in found}) == len(found)
    return {result.index: result for result in found}


@pytest.mark.long
def test_two_thousand_pubs_of_an_object(namespace: Namespace) -> None:
    """With one invalid line and one circuit that cannot run; in three shards the results are the same."""
    texts = [BELL] * 2000
    data = lines(*texts).replace(b"\n", b"\n{}\n", 1) + b"\n" + lines("OPENQASM 3.0; qubit q;")
    namespace.upload(KEY, data)
    listed(namespace, "whole")
    whole = namespace.finished("whole")
    assert (whole["status"]["phase"], whole["status"]["progress"]) == ("PartlyFailed", "2000/2002")
    assert whole["status"]["pubsFrom"]["pubs"] == 2002
    assert len(whole["status"]["results"]["pubs"]) == 500
    found = results(namespace, whole)
    errors = {index: str(result.error.reason) for index, result in found.items() if result.error}
    assert errors == {1: "InvalidPub", 2001: "NoMeasurement"}
    listed(namespace, "split", parallelism=3)
    split = namespace.finished("split")
    assert results(namespace, split) == found
    shards = {keys.segment_of(each.key) for each in namespace.results(split).manifest.segments}
    assert {shard for shard, _ in filter(None, shards)} == {0, 1, 2}


def test_circuits_of_one_qpy_file(namespace: Namespace) -> None:
    """Ten circuits, with the values of their parameters in another object."""
    angle = Parameter("a")
    circuits = [QuantumCircuit(1, 1) for _ in range(10)]
    for circuit in circuits:
        circuit.rx(angle, 0)
        circuit.measure(0, 0)
    file = io.BytesIO()
    qpy.dump(circuits, file, version=16)
    namespace.upload("circuits.qpy", file.getvalue())
    values = "\n".join(json.dumps({"parameterValues": {"a": [0, math.pi * index]}}) for index in range(10))
    namespace.upload("values.jsonl", values.encode())
    given = {"format": "QPY", "object": {"key": "circuits.qpy"}, "parameters": {"key": "values.jsonl"}}
    cluster.apply(quantumjob("qpy", {"shots": 20, "pubsFrom": given}), namespace.name)
    found = results(namespace, namespace.finished("qpy"))
    for index, result in found.items():
        assert result.data is not None
        assert result.data["c"].counts == {"0": 20, "1": 20} if index % 2 else {"0": 40}


def test_a_shard_resumes_after_its_worker_was_killed(namespace: Namespace) -> None:
    """The other shard is not disturbed, and each pub has one result."""
    pubs = [pub("a"), pub("b"), *long_pubs(8)]
    namespace.apply("split", *pubs, program={"shots": 20, "seed": 5}, parallelism=2)
    first = namespace.first_segment("split")
    busy = [
        pod["metadata"]["name"]
        for pod in namespace.workers()
        for line in namespace.log(pod["metadata"]["name"])
        if line["message"] == "order received" and line["shard"] == 0
    ]
    namespace.kill_pod(busy[0])
    done = namespace.finished("split", 240)
    assert (done["status"]["phase"], done["status"]["progress"]) == ("Succeeded", "10/10")
    assert sorted(results(namespace, done)) == list(range(10))
    assert first in [each.key for each in namespace.results(done).manifest.segments], "finished work counts"


@pytest.mark.parametrize(("data", "said"), [(None, "not in the circuits bucket"), (b"\n \n", "lists no pubs")])
def test_an_invalid_list_of_pubs_is_rejected(namespace: Namespace, data: bytes | None, said: str) -> None:
    if data is not None:
        namespace.upload(KEY, data)
    listed(namespace, "refused")
    job = namespace.finished("refused", 30)
    accepted = cluster.condition(job, "Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "InvalidSpec")
    assert said in accepted["message"]
    assert "observedGeneration" in job["status"]
