"""A fresh namespace, its QuantumJobs, and what their workers and the store hold of them."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cluster
from quantumjob_contract import keys, names
from quantumjob_contract.reader import Results
from quantumjob_contract.store import Store

JSON = dict[str, Any]
EXAMPLES = cluster.ROOT / "examples"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
SHARED = f"{names.LABEL_WORKER}={names.SHARED}"
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
qubit[20] q;
bit[20] c;
for int i in [0:14] { h q; for int j in [0:18] { cx q[j], q[j + 1]; rz(0.3) q[j]; } }
c = measure q;
"""
"""A statevector run of two seconds on one core."""
ENDLESS = """OPENQASM 3.0;
include "stdgates.inc";
qubit q;
bit c;
c = measure q;
while (!c) { c = measure q; }
"""
"""Runs until it is stopped."""


def pub(name: str, text: str = BELL, **more: Any) -> JSON:
    """A pub with an inline circuit."""
    return {"name": name, "circuit": {"format": "OpenQASM3", "inline": text}} | more


def long_pubs(number: int) -> list[JSON]:
    """So many pubs of two seconds each."""
    return [pub(f"long-{index}", LONG) for index in range(number)]


def stored(name: str, key: str, **more: Any) -> JSON:
    """A pub with a circuit of the circuits bucket."""
    return {"name": name, "circuit": {"format": "OpenQASM3", "object": {"key": key} | more}}


def quantumjob(name: str, program: JSON, **spec: Any) -> JSON:
    """The manifest of a QuantumJob."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": name},
        "spec": {"program": program} | spec,
    }


@dataclass
class Namespace:
    """A namespace that enforces PodSecurity `restricted`, with nothing prepared in it."""

    name: str
    store: Store

    def apply(self, name: str, *pubs: JSON, **spec: Any) -> JSON:
        """Applies a QuantumJob of these pubs; returns its manifest."""
        body = quantumjob(name, {"pubs": list(pubs)} | spec.pop("program", {}), **spec)
        cluster.apply(body, self.name)
        return body

    def finished(self, name: str, seconds: float = 120) -> JSON:
        """Returns the QuantumJob once it has ended."""
        return cluster.finished(name, self.name, seconds)

    def get(self, name: str) -> JSON:
        """Returns the QuantumJob."""
        found = cluster.get("quantumjobs", name, self.name)
        assert found is not None
        return found

    def cancel(self, name: str) -> None:
        """Sets `spec.cancel`."""
        cluster.patch("quantumjobs", name, self.name, {"spec": {"cancel": True}})

    def delete(self, name: str, wait_seconds: float = 10) -> None:
        """Deletes the QuantumJob; returns once it is gone."""
        cluster.delete("quantumjobs", name, self.name, wait_seconds=wait_seconds)

    def delete_jobs(self) -> None:
        """Deletes all Jobs, and with them their pods."""
        cluster.delete_all("jobs", self.name)

    def kill_pod(self, name: str) -> None:
        """Deletes a pod without a grace period."""
        cluster.delete("pods", name, self.name, grace_seconds=0)

    def reason(self, name: str) -> str:
        """Returns the reason of the condition Reconciling."""
        found: str = cluster.condition(self.get(name), "Reconciling").get("reason", "")
        return found

    def quota(self, kind: str, number: int) -> None:
        """Limits the objects of a kind, and waits until the limit is enforced."""
        body = {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "few"},
            "spec": {"hard": {kind: str(number)}},
        }
        cluster.apply(body, self.name)
        hard = {kind: str(number)}
        cluster.watch_until("resourcequotas", "few", self.name, lambda it: it.get("status", {}).get("hard") == hard)

    def workers(self, selector: str = names.LABEL_WORKER) -> list[JSON]:
        """Lists the pods of workers, shared and dedicated."""
        return cluster.items("pods", self.name, selector)

    def pods(self, job: JSON) -> list[JSON]:
        """Lists the pods of the job's dedicated worker, or the shared worker that its status names."""
        own, shared = job["metadata"]["uid"], job.get("status", {}).get("worker")
        labels = [(pod, pod["metadata"]["labels"]) for pod in self.workers()]
        return [pod for pod, of in labels if of.get(names.LABEL_UID) == own or pod["metadata"]["name"] == shared]

    def runs(self, job: JSON) -> list[str]:
        """Returns the existing pods that have received the job, one as often as it did, by their logs."""
        uid = job["metadata"]["uid"]
        return [
            pod["metadata"]["name"]
            for pod in self.workers()
            for line in self.log(pod["metadata"]["name"])
            if line["message"] == "order received" and line["uid"] == uid
        ]

    def log_text(self, pod: str) -> str:
        """Returns a pod's log; empty where it has none yet."""
        try:
            return cluster.api().request("GET", f"{cluster.path('pods', self.name, pod)}/log").decode()
        except RuntimeError:  # not started, or gone
            return ""

    def log(self, pod: str) -> list[JSON]:
        """Returns a worker's log lines."""
        return [json.loads(line) for line in self.log_text(pod).splitlines() if line.startswith("{")]

    def running(self, name: str) -> JSON:
        """Returns the pod of the job's worker, once its container runs."""

        def probe() -> JSON | None:
            return next((pod for pod in self.pods(self.get(name)) if pod["status"]["phase"] == "Running"), None)

        return cluster.eventually(f"a worker of {name} runs", probe)

    def start_pod(self, body: JSON) -> None:
        """Creates a pod. A new namespace gets its default account a little later than its name."""
        cluster.eventually("the account exists", lambda: cluster.get("serviceaccounts", "default", self.name))
        cluster.create("pods", self.name, body)

    def exec(self, pod: str, *command: str, check: bool = True) -> str:
        """Runs a command in a pod; returns its output."""
        return cluster.kubectl("exec", "-n", self.name, pod, "--", *command, check=check)

    def segments(self, job: JSON) -> list[str]:
        """Lists the keys of the job's objects in the pending bucket."""
        return [entry.key for entry in self.store.pending.list(keys.prefix(self.owner(job)))]

    def first_segment(self, name: str) -> str:
        """Waits until the running job has stored its first segment; returns its key."""
        job = self.get(name)
        first = keys.segment(keys.Shard(self.owner(job), 0), keys.segment_name(0))
        cluster.eventually("a segment is stored", lambda: first in self.segments(job))
        return first

    def results(self, job: JSON) -> Results:
        """Returns the results that the status names, verified against its sha256."""
        return Results(self.store.completed, self.owner(job), job["status"]["results"]["sha256"])

    def owner(self, job: JSON) -> keys.Owner:
        """The part of the store's keys that belongs to the job."""
        return keys.Owner(self.name, job["metadata"]["uid"])

    def upload(self, key: str, data: bytes) -> str:
        """Stores an object of the circuits bucket; returns its key."""
        self.store.circuits.put_once(keys.circuit(self.name, key), data)
        return key


@contextlib.contextmanager
def fresh(store: Store) -> Iterator[Namespace]:
    """A new namespace, deleted when the block ends."""
    name = f"test-{secrets.token_hex(4)}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}}
    cluster.api().ask("POST", "/api/v1/namespaces", body)
    try:
        yield Namespace(name, store)
    finally:
        cluster.api().ask("DELETE", f"/api/v1/namespaces/{name}")
