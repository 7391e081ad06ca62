"""Jobs of many pubs: listed by an object, in shards, with workers that die on the way."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import pytest
from conftest import BELL, LONG, Namespace, pub
from qiskit import QuantumCircuit, qpy
from qiskit.circuit import Parameter

import cluster
from quantumjob_contract import keys
from quantumjob_contract.schema.results import PubResult

JSON = dict[str, Any]
KEY = "pubs.jsonl"

pytestmark = pytest.mark.usefixtures("way")


def lines(*texts: str) -> bytes:
    return "\n".join(json.dumps({"circuit": {"inline": text}}) for text in texts).encode()


def listed(namespace: Namespace, name: str, **spec: Any) -> JSON:
    program = {"shots": 20, "seed": 5, "pubsFrom": {"object": {"key": KEY}}}
    body = {
        "apiVersion": "quantumjobs.io/v1alpha1",
        "kind": "QuantumJob",
        "metadata": {"name": name},
        "spec": {"program": program} | spec,
    }
    cluster.apply(body, namespace.name)
    return namespace.get(name)


def results(namespace: Namespace, job: JSON) -> dict[int, PubResult]:
    """Of each pub the one result that there is."""
    found = list(namespace.results(job).pubs())
    assert len({result.index for result in found}) == len(found)
    return {result.index: result for result in found}


def test_two_thousand_pubs_of_an_object(namespace: Namespace) -> None:
    """One of them is no pub, and one cannot run. In three shards it is the same."""
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
    """Ten circuits, and values of their parameters beside them."""
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
    body = {
        "apiVersion": "quantumjobs.io/v1alpha1",
        "kind": "QuantumJob",
        "metadata": {"name": "qpy"},
        "spec": {"program": {"shots": 20, "pubsFrom": given}},
    }
    cluster.apply(body, namespace.name)
    found = results(namespace, namespace.finished("qpy"))
    for index, result in found.items():
        assert result.data is not None
        assert result.data["c"].counts == {"0": 20, "1": 20} if index % 2 else {"0": 40}


def test_a_shard_goes_on_where_its_worker_was_killed(namespace: Namespace) -> None:
    """The other one is not disturbed, and each pub has one result."""
    pubs = [pub("a"), pub("b"), *(pub(f"long-{number}", LONG) for number in range(4))]
    namespace.apply("split", *pubs, program={"shots": 20, "seed": 5}, parallelism=2)
    job = namespace.get("split")
    first = keys.segment(keys.Shard(namespace.owner(job), 0), keys.segment_name(0))
    cluster.eventually("a segment of the first shard is stored", lambda: first in namespace.segments(job))
    busy = [
        pod["metadata"]["name"]
        for pod in namespace.workers()
        for line in namespace.log(pod["metadata"]["name"])
        if line["message"] == "order received" and line["shard"] == 0
    ]
    cluster.kubectl("delete", "pod", busy[0], "-n", namespace.name, "--grace-period=0", "--force")
    done = namespace.finished("split", 240)
    assert (done["status"]["phase"], done["status"]["progress"]) == ("Succeeded", "6/6")
    assert sorted(results(namespace, done)) == list(range(6))
    assert first in [each.key for each in namespace.results(done).manifest.segments], "what was done counts"


@pytest.mark.parametrize(("data", "said"), [(None, "not in the circuits bucket"), (b"\n \n", "lists no pubs")])
def test_an_object_that_cannot_be_taken(namespace: Namespace, data: bytes | None, said: str) -> None:
    if data is not None:
        namespace.upload(KEY, data)
    listed(namespace, "refused")
    job = namespace.finished("refused", 30)
    accepted = cluster.condition(job, "Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "InvalidSpec")
    assert said in accepted["message"]
    assert "observedGeneration" in job["status"]
