"""The REST service on a real Kubernetes: the jobs are those of kubectl, the rights those of the caller."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from namespaces import BELL, ENDLESS, LONG, Namespace, pub
from rest import SERVICE, account, authority, client, connected, described, of_namespace, reason

import cluster
from quantumjob_contract import limits, names
from quantumjob_contract.schema.results import to_json

EDIT, VIEW = "quantumjob-edit", "quantumjob-view"
FEW = ("examples,fuzzing", "1")
ALL = ("examples,coverage,fuzzing,stateful", os.environ.get("QUANTUMJOB_TEST_SCHEMATHESIS_EXAMPLES", "10"))
"""Phases of schemathesis, and examples of each operation."""
CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with connected() as found:
        yield found


@pytest.fixture
def token(namespace: Namespace) -> str:
    """Token of an account with the ClusterRole `edit`, which has the rights on QuantumJobs by aggregation."""
    return account(namespace.name, "scientist", "edit")


@pytest.fixture
def rest(url: str, namespace: Namespace, token: str) -> Iterator[httpx.Client]:
    with client(url, namespace.name, token) as found:
        yield found


def test_submit_status_retrieve(rest: httpx.Client, namespace: Namespace) -> None:
    made = rest.post("jobs", json={"name": "bell", "circuit": BELL, "shots": 1000})
    assert made.status_code == 202, made.text
    done = rest.get(made.headers["Location"], params={"wait": 60}).json()
    assert (done["phase"], done["finished"], done["progress"]) == ("Succeeded", True, "1/1")
    found = rest.get(done["links"]["result"]).json()
    assert found["uid"] == namespace.get("bell")["metadata"]["uid"]
    assert sum(found["pubs"][0]["data"]["c"]["counts"].values()) == 1000
    assert found["pubs"] == [to_json(each) for each in namespace.results(namespace.get("bell")).pubs()]


def test_a_job_of_kubectl_is_shown(rest: httpx.Client, namespace: Namespace) -> None:
    namespace.apply("applied", pub("a"), pub("b"))
    assert rest.get("jobs/applied", params={"wait": 60}).json()["phase"] == "Succeeded"
    assert [each["name"] for each in rest.get("jobs").json()["items"]] == ["applied"]
    assert [each["name"] for each in rest.get("jobs/applied/result").json()["pubs"]] == ["a", "b"]


def test_events_show_each_version_until_the_end(rest: httpx.Client) -> None:
    rest.post("jobs", json={"name": "bell", "circuit": BELL})
    with rest.stream("GET", "jobs/bell/events") as stream:
        events = [json.loads(line.removeprefix("data: ")) for line in stream.iter_lines() if line.startswith("data: ")]
    assert events[-1]["phase"] == "Succeeded"
    assert len({each["version"] for each in events}) == len(events)


def test_tokens(url: str, namespace: Namespace, other_namespace: Namespace, token: str, rest: httpx.Client) -> None:
    """No token, a revoked, an invalid one, without rights, of another namespace, and in the query."""
    rest.post("jobs", json={"name": "bell", "circuit": BELL})
    rest.get("jobs/bell", params={"wait": 60})
    uid = namespace.get("bell")["metadata"]["uid"]
    elsewhere = account(other_namespace.name, "stranger", "edit")
    nobody = account(namespace.name, "nobody", None)
    cluster.create("secrets", namespace.name, {"metadata": {"name": "bound"}})
    taken = cluster.token("scientist", namespace.name, bound_to={"apiVersion": "v1", "kind": "Secret", "name": "bound"})
    cluster.delete("secrets", "bound", namespace.name)
    paths = [
        *(
            "jobs",
            "jobs/bell",
            "jobs/none",
            "jobs/bell/result",
            "jobs/none/result",
            "jobs/bell/events",
            "jobs/bell/partial",
        ),
        *("circuits", "circuits/none", "history", f"history/{uid}", f"history/{uid}/result"),
    ]
    with client(url, namespace.name, taken) as asking:
        cluster.eventually("the revoked token is refused", lambda: asking.get("jobs").status_code == 401)
    for given, expected in (
        (None, (401, "Unauthorized")),
        (taken, (401, "Unauthorized")),
        ("x.y.z", (401, "Unauthorized")),
        (nobody, (403, "Forbidden")),
        (elsewhere, (403, "Forbidden")),
    ):
        with client(url, namespace.name, given) as asking:
            answers = {path: asking.get(path) for path in paths}
            assert {path: reason(answer) for path, answer in answers.items()} == dict.fromkeys(paths, expected)
            # The response does not reveal what exists.
            assert len({answer.text for answer in answers.values()}) == 1
            assert reason(asking.post("jobs", json={"circuit": BELL})) == expected
            assert reason(asking.put("circuits/a", content=b"x")) == expected
            assert reason(asking.delete("jobs/bell")) == expected
            assert reason(asking.post("jobs/bell/cancel")) == expected
    with client(url, "no-such-namespace", token) as asking:
        assert reason(asking.get("jobs")) == (403, "Forbidden")
    assert reason(rest.get("jobs", params={"access_token": token})) == (400, "TokenInQuery")
    assert token not in cluster.kubectl("logs", f"deployment/{SERVICE}", "-n", cluster.SYSTEM)


def test_an_account_that_may_view_cannot_change(url: str, namespace: Namespace, rest: httpx.Client) -> None:
    rest.post("jobs", json={"name": "bell", "circuit": BELL})
    with client(url, namespace.name, account(namespace.name, "viewer", "view")) as viewer:
        assert viewer.get("jobs/bell", params={"wait": 60}).json()["phase"] == "Succeeded"
        assert viewer.get("jobs/bell/result").status_code == 200
        assert viewer.get("history").status_code == 200
        for refused in (
            viewer.post("jobs", json={"circuit": BELL}),
            viewer.post("jobs/bell/cancel"),
            viewer.delete("jobs/bell"),
            viewer.put("circuits/a", content=b"x"),
        ):
            assert reason(refused) == (403, "Forbidden")


def test_the_same_submission_three_times_is_one_job(rest: httpx.Client, namespace: Namespace) -> None:
    body = {"circuit": BELL, "shots": 10}
    keyed = {"Idempotency-Key": "once-and-no-more"}
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: rest.post("jobs", json=body, headers=keyed), range(3)))
    assert sorted(each.status_code for each in answers) == [200, 200, 202]
    assert len({each.json()["uid"] for each in answers}) == 1
    assert reason(rest.post("jobs", json=body | {"shots": 11}, headers=keyed)) == (409, "IdempotencyConflict")
    assert reason(rest.post("jobs", json=body | {"name": "x"}, headers=keyed)) == (409, "IdempotencyConflict")
    assert len(cluster.items("quantumjobs", namespace.name)) == 1


def test_messages_of_the_api_server_are_passed_on(rest: httpx.Client) -> None:
    def refused(spec: object) -> str:
        answer = rest.post("jobs", json={"spec": spec})
        assert reason(answer) == (422, "InvalidJob")
        detail: str = answer.json()["detail"]
        return detail

    circuit = {"inline": BELL}
    assert "novel" in refused({"program": {"pubs": [{"name": "a", "circuit": circuit}], "novel": 1}})
    assert "exactly one of inline and object" in refused({"program": {"pubs": [{"name": "a", "circuit": {}}]}})
    assert "shots" in refused({"program": {"shots": 0, "pubs": [{"name": "a", "circuit": circuit}]}})


def test_a_large_circuit_is_stored_in_the_bucket(rest: httpx.Client, namespace: Namespace) -> None:
    text = BELL + "// " + "x" * limits.MAX_INLINE_CHARS
    made = rest.post("jobs", json={"name": "large", "circuit": text})
    assert made.status_code == 202, made.text
    assert rest.get("jobs/large", params={"wait": 60}).json()["phase"] == "Succeeded"
    circuit = namespace.get("large")["spec"]["program"]["pubs"][0]["circuit"]
    assert circuit["object"]["key"] == f"sha256/{circuit['object']['sha256']}"
    assert rest.get(f"circuits/{circuit['object']['key']}").text == text
    assert [each["key"] for each in rest.get("circuits").json()["items"]] == [circuit["object"]["key"]]


def test_an_uploaded_circuit_runs(rest: httpx.Client) -> None:
    assert rest.put("circuits/mine/bell.qasm", content=BELL).status_code == 201
    spec = {"program": {"pubs": [{"name": "a", "circuit": {"object": {"key": "mine/bell.qasm"}}}]}}
    rest.post("jobs", json={"name": "by-key", "spec": spec})
    assert rest.get("jobs/by-key", params={"wait": 60}).json()["phase"] == "Succeeded"


def test_the_same_upload_many_times_at_once_is_one_circuit(rest: httpx.Client) -> None:
    data = BELL.encode() + b"/" * 4_000_000
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: rest.put("circuits/a", content=data), range(6)))
    assert {each.status_code for each in answers} == {200, 201}
    assert len({each.json()["sha256"] for each in answers}) == 1


def test_cancel_keeps_finished_pubs(rest: httpx.Client) -> None:
    pubs = [
        {"name": "bell", "circuit": {"inline": BELL}},
        *({"name": f"long{n}", "circuit": {"inline": LONG}} for n in range(3)),
        {"name": "endless", "circuit": {"inline": ENDLESS}},
    ]
    rest.post("jobs", json={"name": "cut", "spec": {"program": {"pubs": pubs}}})
    cluster.eventually("a pub is finished", lambda: rest.get("jobs/cut/partial").json()["pubs"])
    assert rest.post("jobs/cut/cancel").json()["cancel"] is True
    done = rest.get("jobs/cut", params={"wait": 60}).json()
    assert done["phase"] == "Cancelled"
    assert rest.get("jobs/cut/result").json()["pubs"][0]["name"] == "bell"
    assert rest.post("jobs/cut/cancel").status_code == 200
    rest.post("jobs", json={"name": "bell", "circuit": BELL})
    rest.get("jobs/bell", params={"wait": 60})
    assert reason(rest.post("jobs/bell/cancel")) == (409, "JobEnded")


def test_history_outlives_the_job(rest: httpx.Client, namespace: Namespace) -> None:
    rest.post("jobs", json={"name": "bell", "circuit": BELL})
    job = rest.get("jobs/bell", params={"wait": 60}).json()
    before = rest.get("jobs/bell/result")
    assert rest.delete("jobs/bell").status_code == 204
    assert reason(rest.get("jobs/bell")) == (404, "NotFound")
    (row,) = rest.get("history").json()["items"]
    assert (row["name"], row["uid"], row["outcome"]) == ("bell", job["uid"], "Succeeded")
    after = rest.get(f"history/{job['uid']}/result")
    assert after.json()["pubs"] == before.json()["pubs"]
    assert (
        namespace.store.completed.uri(f"{namespace.name}/{job['uid']}/manifest.json") == job["status"]["results"]["uri"]
    )


def test_the_service_account_has_no_right_and_no_token(namespace: Namespace) -> None:
    pod = cluster.items("pods", cluster.SYSTEM, "app.kubernetes.io/component=api")[0]["metadata"]["name"]
    mounts = cluster.kubectl("exec", "-n", cluster.SYSTEM, pod, "--", "cat", "/proc/mounts")
    assert "/var/run/secrets/kubernetes.io" not in mounts
    who = f"--as=system:serviceaccount:{cluster.SYSTEM}:{SERVICE}"
    for verb, what in (("get", names.PLURAL), ("create", names.PLURAL), ("get", "secrets"), ("get", "pods")):
        for where in (namespace.name, cluster.SYSTEM):
            assert cluster.kubectl("auth", "can-i", verb, what, who, "-n", where, check=False).startswith("no")


@pytest.mark.parametrize(
    ("phases", "examples"), [("examples,fuzzing", "1"), pytest.param(*ALL, marks=pytest.mark.long)]
)
def test_schemathesis_finds_nothing(
    *, url: str, namespace: Namespace, token: str, rest: httpx.Client, tmp_path: Path, phases: str, examples: str
) -> None:
    """All checks of schemathesis on every operation."""
    rest.post("jobs", json={"name": "bell", "circuit": BELL})
    rest.get("jobs/bell", params={"wait": 60})
    certificate = tmp_path / "ca.crt"
    certificate.write_text(authority())
    schema = tmp_path / "openapi.json"
    schema.write_text(json.dumps(of_namespace(described(url), namespace.name)))
    schemathesis = Path(sys.executable).with_name("schemathesis")
    environment = os.environ | {
        "QUANTUMJOB_TOKEN": token,
        "QUANTUMJOB_CA": str(certificate),
    }
    command = [schemathesis, "--config-file", CONFIG, "run", schema, "--url", url]
    command += ["--phases", phases, "--max-examples", examples]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    print(done.stdout[-600:])  # noqa: T201  # how many cases
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-2000:]
