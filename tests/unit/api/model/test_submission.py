"""The QuantumJob of a submission, and how it is recognized."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantumjob_api.model import idempotency, submission
from quantumjob_api.model.idempotency import SubmissionMatch
from quantumjob_api.problems import ApiProblem, ApiReason
from quantumjob_contract import limits, names
from quantumjob_contract.transfer import sha256

JSON = dict[str, Any]
TEXT = "OPENQASM 3.0;"


def new_job(body: JSON, key: str | None = None, namespace: str = "team") -> submission.NewJob:
    return submission.new_job(submission.parse(json.dumps(body).encode()), namespace, key)


def inline(name: str, text: str, **circuit: Any) -> JSON:
    return {"name": name, "circuit": {"inline": text} | circuit}


def full(*pubs: JSON, **more: Any) -> JSON:
    return {"spec": {"program": {"pubs": list(pubs)}}} | more


def test_the_short_form_is_a_job_of_one_pub() -> None:
    made = new_job({"circuit": TEXT, "shots": 7, "name": "bell", "labels": {"team": "blue"}}).quantumjob
    assert made["metadata"] == {"name": "bell", "labels": {"team": "blue"}}
    circuit = {"format": "OpenQASM3", "inline": TEXT}
    assert made["spec"] == {"program": {"shots": 7, "pubs": [{"name": "circuit", "circuit": circuit}]}}
    assert (made["apiVersion"], made["kind"]) == (names.API_VERSION, names.KIND)


def test_a_spec_is_passed_on_unchanged() -> None:
    """The API server validates it: a new field needs no change here."""
    spec = {"program": {"pubs": [inline("a", TEXT)], "novel": [1, {"x": None}]}, "other": True}
    assert new_job({"spec": spec}).quantumjob["spec"] == spec


def test_without_a_name_kubernetes_generates_one() -> None:
    assert new_job({"circuit": TEXT}).quantumjob["metadata"]["generateName"] == "job-"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"\xff"',
        b"[" * 100_000,
        b"{}",
        b'{"circuit": ""}',
        b'{"circuit": 1}',
        b'{"circuit": "x", "shots": "5"}',
        b'{"circuit": "x", "shots": 0}',
        b'{"circuit": "x", "shots": true}',
        b'{"circuit": "x", "novel": 1}',
        b'{"circuit": "x", "name": "A"}',
        b'{"circuit": "x", "name": "a/b"}',
        b'{"circuit": "x", "format": "QASM"}',
        b'{"circuit": "x", "labels": {"a": "b c"}}',
        b'{"circuit": "x", "labels": {"quantumjobs.io/uid": "b"}}',
        b'{"circuit": "x", "spec": {}}',
        b'{"spec": []}',
        b'{"circuit": "!", "format": "QPY", "name": "a"}',
    ],
)
def test_invalid_submissions_are_rejected(body: bytes) -> None:
    if b"QPY" in body:
        body = body.replace(b'"!"', b'"' + b"!" * (limits.MAX_INLINE_CHARS + 1) + b'"')
    with pytest.raises(ApiProblem) as caught:
        submission.new_job(submission.parse(body), "team", None)
    assert caught.value.reason is ApiReason.INVALID_REQUEST


@pytest.mark.parametrize("body", [b"{}", b'{"spec": {}, "circuit": "x"}', b"[]", b"null"])
def test_one_of_spec_and_circuit(body: bytes) -> None:
    with pytest.raises(ApiProblem, match="exactly one of"):
        submission.parse(body)


def test_an_error_does_not_repeat_what_was_sent() -> None:
    with pytest.raises(ApiProblem) as caught:
        submission.parse(b'{"circuit": "x", "shots": "secret"}')
    assert "secret" not in str(caught.value.body())


def test_a_large_circuit_is_moved_to_the_bucket_under_its_sha256() -> None:
    large = "x" * (limits.MAX_INLINE_CHARS + 1)
    made = new_job(full(inline("small", TEXT), inline("large", large)))
    digest = sha256(large.encode())
    small, moved = made.quantumjob["spec"]["program"]["pubs"]
    assert small["circuit"] == {"inline": TEXT}
    assert moved["circuit"] == {"object": {"key": f"sha256/{digest}", "sha256": digest}}
    assert made.uploads == {f"sha256/{digest}": large.encode()}


def test_a_large_qpy_circuit_is_moved_as_the_bytes_that_it_is() -> None:
    data = b"QISKIT" + bytes(limits.MAX_INLINE_CHARS)
    made = new_job({"circuit": base64.b64encode(data).decode(), "format": "QPY"})
    assert list(made.uploads.values()) == [data]
    assert made.quantumjob["spec"]["program"]["pubs"][0]["circuit"]["format"] == "QPY"


def test_many_circuits_are_moved_until_the_rest_fits() -> None:
    pubs = [inline(f"p{index}", str(index) * limits.MAX_INLINE_CHARS) for index in range(6)]
    made = new_job(full(*pubs))
    left = [pub["circuit"].get("inline", "") for pub in made.quantumjob["spec"]["program"]["pubs"]]
    assert sum(map(len, left)) == submission.MAX_INLINE_TOTAL
    assert len(made.uploads) == 2


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["program", "pubs", "circuit", "inline", "object", "x"]), inner)
        ),
    )
)
def test_a_spec_of_any_form_is_left_to_the_api_server(spec: Any) -> None:
    sent = submission.SpecSubmission.model_construct(spec={"program": spec}, labels={}, name=None)
    assert submission.new_job(submission.ParsedSubmission(sent, ""), "team", None)


def test_the_same_key_and_body_make_the_same_job() -> None:
    one, two = new_job({"circuit": TEXT, "shots": 5}, "k"), new_job({"shots": 5, "circuit": TEXT}, "k")
    assert one == two
    assert idempotency.compare(one.quantumjob, two.quantumjob) is SubmissionMatch.SAME
    assert "generateName" not in one.quantumjob["metadata"]
    assert len(one.quantumjob["metadata"]["name"]) <= 63


@pytest.mark.parametrize(
    "body", [{"circuit": TEXT, "shots": 6}, {"circuit": TEXT}, {"circuit": TEXT, "shots": 5, "name": "a"}]
)
def test_another_body_with_the_same_key_is_recognized(body: JSON) -> None:
    there, wanted = new_job({"circuit": TEXT, "shots": 5}, "k").quantumjob, new_job(body, "k").quantumjob
    assert idempotency.compare(there, wanted) is SubmissionMatch.OTHER_BODY


def test_a_job_of_another_key_or_without_one_is_another_job() -> None:
    wanted = new_job({"circuit": TEXT}, "k").quantumjob
    for there in (new_job({"circuit": TEXT}, "other").quantumjob, new_job({"circuit": TEXT}).quantumjob):
        assert idempotency.compare(there, wanted) is SubmissionMatch.OTHER_KEY
    assert idempotency.compare(wanted, new_job({"circuit": TEXT}).quantumjob) is SubmissionMatch.OTHER_KEY


def test_a_key_is_per_namespace_and_not_stored() -> None:
    here, there = new_job({"circuit": TEXT}, "secret-key"), new_job({"circuit": TEXT}, "secret-key", "other")
    assert here.quantumjob["metadata"]["name"] != there.quantumjob["metadata"]["name"]
    assert "secret-key" not in json.dumps(here.quantumjob)
