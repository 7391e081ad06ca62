"""A real Kubernetes with the quickstart installed (`hack/quickstart`), and a fresh namespace for each test.

A test that uses the fixture `way` runs once with workers that the QuantumJobs of a namespace share, and once where each
QuantumJob has its own. Tests are ordered by it, so that the operator's environment changes once.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pytest
import yaml

import cluster
from quantumjob_contract import keys, names
from quantumjob_contract.reader import Results
from quantumjob_contract.store import Store

JSON = dict[str, Any]
EXAMPLES = cluster.ROOT / "examples"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
BELL = """OPENQASM 3.0;
include "stdgates.inc";
qubit[2] q;
bit[2] c;
h q[0];
cx q[0], q[1];
c = measure q;
"""
LONG = """OPENQASM 3.0;
include "stdgates.inc";
qubit[22] q;
bit[22] c;
for int i in [0:14] { h q; for int j in [0:20] { cx q[j], q[j + 1]; rz(0.3) q[j]; } }
c = measure q;
"""
"""A statevector run of some seconds."""
ENDLESS = """OPENQASM 3.0;
include "stdgates.inc";
qubit q;
bit c;
c = measure q;
while (!c) { c = measure q; }
"""
"""Runs until it is stopped."""

LINGER = "QUANTUMJOB_WORKERS_LINGER_SECONDS"
GIVE_TWICE = "QUANTUMJOB_TEST_GIVE_TWICE"
LINGER_SECONDS = 30
WAYS = {"shared": str(LINGER_SECONDS), "dedicated": "0"}
"""Values of LINGER; the first is the default, so that mostly nothing changes for it."""
WORKERS = names.LABEL_WORKER
SHARED = f"{names.LABEL_WORKER}={names.SHARED}"


def operator_environment() -> dict[str, str]:
    """What the operator's container is given by value."""
    found = cluster.get("deployment", "quantumjob-operator", cluster.SYSTEM)
    assert found is not None
    environment = found["spec"]["template"]["spec"]["containers"][0]["env"]
    return {each["name"]: each.get("value", "") for each in environment if "valueFrom" not in each}


def set_operator_environment(wanted: dict[str, str | None]) -> None:
    """Set these variables of the operator, or take them away; where that is news, wait for the new one."""
    before = operator_environment()
    changes = [f"{name}-" if value is None else f"{name}={value}" for name, value in wanted.items()]
    if any(before.get(name) != value for name, value in wanted.items()):
        cluster.kubectl("set", "env", "deployment/quantumjob-operator", "-n", cluster.SYSTEM, *changes)
        scale(1)


@pytest.fixture(scope="session")
def _as_installed() -> Iterator[None]:
    """At the end the operator has the environment that it had before."""
    before = operator_environment()
    yield
    set_operator_environment({name: before.get(name) for name in (LINGER, GIVE_TWICE)})


@pytest.fixture(params=list(WAYS))
def way(request: pytest.FixtureRequest, _as_installed: None) -> str:
    """`shared` or `dedicated`; by then the operator works in this way."""
    found: str = request.param
    set_operator_environment({LINGER: WAYS[found], GIVE_TWICE: None})
    return found


def one_way(name: str) -> pytest.MarkDecorator:
    """Marks a test that has a meaning in one way only."""
    return pytest.mark.parametrize("way", [name], indirect=True)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of one way, then all of the other."""

    def turn(item: pytest.Item) -> int:
        parameters: dict[str, str] = item.callspec.params if isinstance(item, WithParameters) else {}
        return list(WAYS).index(parameters.get("way", "shared"))

    items.sort(key=turn)


@runtime_checkable
class WithParameters(Protocol):
    """A test that is one of several."""

    callspec: Any


@pytest.fixture
def store() -> Iterator[Store]:
    """Anew for each test: some of them take the server behind it away."""
    with cluster.store() as opened:
        yield opened


@dataclass
class Namespace:
    """A namespace that was made a second ago, enforcing PodSecurity `restricted`, with nothing prepared in it."""

    name: str
    store: Store

    def apply(self, name: str, *pubs: JSON, **spec: Any) -> JSON:
        """Apply a QuantumJob of these pubs."""
        program = {"pubs": list(pubs)} | spec.pop("program", {})
        body = {
            "apiVersion": "quantumjobs.io/v1alpha1",
            "kind": "QuantumJob",
            "metadata": {"name": name},
            "spec": {"program": program} | spec,
        }
        cluster.apply(body, self.name)
        return body

    def finished(self, name: str, seconds: float = 120) -> JSON:
        return cluster.finished(name, self.name, seconds)

    def get(self, name: str) -> JSON:
        found = cluster.get("quantumjob", name, self.name)
        assert found is not None
        return found

    def workers(self, selector: str = WORKERS) -> list[JSON]:
        """Pods of workers, whosever they are."""
        return cluster.items("pods", self.name, selector)

    def pods(self, job: JSON) -> list[JSON]:
        """Pods of the job's own worker; else the shared one that its status names."""
        own, shared = job["metadata"]["uid"], job.get("status", {}).get("worker")
        labels = [(pod, pod["metadata"]["labels"]) for pod in self.workers()]
        return [pod for pod, of in labels if of.get(names.LABEL_UID) == own or pod["metadata"]["name"] == shared]

    def runs(self, job: JSON) -> list[str]:
        """The pods, of those that are still there, that have had this job; one as often as it was given it."""
        uid = job["metadata"]["uid"]
        return [
            pod["metadata"]["name"]
            for pod in self.workers()
            for line in self.log(pod["metadata"]["name"])
            if line["message"] == "order received" and line["uid"] == uid
        ]

    def log(self, pod: str) -> list[JSON]:
        """What a worker has logged."""
        text = cluster.kubectl("logs", pod, "-n", self.name, check=False)
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def running(self, name: str) -> JSON:
        """The job's pod, once its container runs."""

        def probe() -> JSON | None:
            return next((pod for pod in self.pods(self.get(name)) if pod["status"]["phase"] == "Running"), None)

        return cluster.eventually(f"a worker of {name} runs", probe)

    def segments(self, job: JSON) -> list[str]:
        """Keys of the job's objects in pending."""
        return [entry.key for entry in self.store.pending.list(keys.prefix(self.owner(job)))]

    def results(self, job: JSON) -> Results:
        """The results that the status names, verified against its sha256."""
        return Results(self.store.completed, self.owner(job), job["status"]["results"]["sha256"])

    def owner(self, job: JSON) -> keys.Owner:
        return keys.Owner(self.name, job["metadata"]["uid"])

    def upload(self, key: str, data: bytes) -> str:
        self.store.circuits.put_once(keys.circuit(self.name, key), data)
        return key


def pub(name: str, text: str = BELL, **more: Any) -> JSON:
    return {"name": name, "circuit": {"format": "OpenQASM3", "inline": text}} | more


def stored(name: str, key: str, **more: Any) -> JSON:
    return {"name": name, "circuit": {"format": "OpenQASM3", "object": {"key": key} | more}}


def make_namespace(store: Store) -> Namespace:
    name = f"test-{secrets.token_hex(4)}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}}
    cluster.kubectl("create", "-f", "-", stdin=yaml.safe_dump(body))
    return Namespace(name, store)


@pytest.fixture
def namespace(store: Store) -> Iterator[Namespace]:
    made = make_namespace(store)
    yield made
    cluster.kubectl("delete", "namespace", made.name, "--wait=false")


@pytest.fixture
def other_namespace(store: Store) -> Iterator[Namespace]:
    made = make_namespace(store)
    yield made
    cluster.kubectl("delete", "namespace", made.name, "--wait=false")


def scale(replicas: int, deployment: str = "quantumjob-operator") -> None:
    """Scale, and wait until it is so."""
    cluster.kubectl("scale", f"deployment/{deployment}", "-n", cluster.SYSTEM, f"--replicas={replicas}")
    selector = "app.kubernetes.io/component=operator"
    if replicas:
        cluster.kubectl("rollout", "status", f"deployment/{deployment}", "-n", cluster.SYSTEM, "--timeout=120s")
    else:
        cluster.eventually("the operator is gone", lambda: not cluster.items("pods", cluster.SYSTEM, selector))


def reconcile(**environment: str) -> None:
    """Run the CronJob's Job now, with these settings, and wait for its end."""
    name = f"now-{secrets.token_hex(4)}"
    text = cluster.kubectl(
        "create",
        "job",
        name,
        "-n",
        cluster.SYSTEM,
        "--from=cronjob/quantumjob-reconciler",
        "--dry-run=client",
        "-o",
        "yaml",
    )
    body = yaml.safe_load(text)
    del body["metadata"]["ownerReferences"]  # or the CronJob's history limit may remove it before its log is read
    container = body["spec"]["template"]["spec"]["containers"][0]
    container["env"] += [{"name": key, "value": value} for key, value in environment.items()]
    cluster.kubectl("create", "-f", "-", stdin=yaml.safe_dump(body))
    cluster.kubectl("wait", "-n", cluster.SYSTEM, "--for=condition=Complete", f"job/{name}", "--timeout=120s")
    assert '"Reconciled"' in cluster.kubectl("logs", "-n", cluster.SYSTEM, f"job/{name}")
    cluster.kubectl("delete", "-n", cluster.SYSTEM, f"job/{name}", "--wait=false")


def refused_files() -> list[Path]:
    return sorted((Path(__file__).parent / "refused").glob("*.yaml"))
