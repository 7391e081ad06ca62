"""Kubernetes objects for tests, and an API server in memory that stores, versions and refuses as the real one does."""

from __future__ import annotations

import copy
import itertools
from collections.abc import AsyncIterator
from typing import Any

from quantumjob_contract import names
from quantumjob_contract.schema.program import Program
from quantumjob_operator import clock
from quantumjob_operator.kubernetes.client import EVENTS, JOBS, PODS, QUANTUMJOBS, ApiError, ResourceKind
from quantumjob_operator.model.job_template import SHARED_PREFIX, build_job, build_shared, job_name
from quantumjob_operator.model.validation import accept
from quantumjob_operator.model.worker_state import INDEX_LABEL

JSON = dict[str, Any]
UID = "6f1c3f5e-0000-4000-8000-00000000000a"
TIME = "2026-01-02T03:04:05Z"


def quantumjob(**changes: Any) -> JSON:
    """Returns a QuantumJob with the defaults of the CRD."""
    meta = {
        "name": "bell",
        "namespace": "team",
        "uid": UID,
        "generation": 1,
        "resourceVersion": "10",
        "creationTimestamp": TIME,
        "labels": {"team": "blue"},
    }
    pub = {"name": "bell", "circuit": {"format": "OpenQASM3", "inline": "OPENQASM 3.0;"}}
    spec = {
        "program": {"primitive": "Sampler", "shots": 100, "pubs": [pub]},
        "backend": {"name": "aer"},
        "cancel": False,
        "dedicated": False,
        "backoffLimit": 3,
        "activeDeadlineSeconds": 600,
        "ttlSecondsAfterFinished": 300,
        "resources": {
            "requests": {"cpu": "250m", "memory": "256Mi"},
            "limits": {"cpu": 1, "memory": "1Gi"},
        },
    }
    return {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": meta, "spec": spec} | changes


def another(name: str, *, namespace: str = "team", labels: JSON | None = None, **spec: Any) -> JSON:
    """Returns a QuantumJob of another name, with these fields of the spec."""
    made = quantumjob()
    made["metadata"] |= {"name": name, "namespace": namespace, "uid": f"uid-{name}", "labels": labels or {}}
    made["spec"] |= spec
    return made


def job(of: JSON, *conditions: tuple[str, str], **status: Any) -> JSON:
    """Returns the dedicated Job, with these conditions (type, reason) true."""
    built = build_job(of, "worker:1", "https://orders", "CA")
    built["metadata"] |= {
        "namespace": of["metadata"]["namespace"],
        "uid": "job-" + of["metadata"]["uid"],
        "resourceVersion": "20",
        "creationTimestamp": TIME,
    }
    built["status"] = {"conditions": [{"type": t, "status": "True", "reason": r} for t, r in conditions]} | status
    return built


def pod(
    of: JSON, state: JSON | None = None, *, name: str = "a", conditions: list[JSON] | None = None, index: str = ""
) -> JSON:
    """Returns a pod of the dedicated Job, with its container in this state; with an index, of an indexed Job."""
    meta = of["metadata"]
    indexed = {INDEX_LABEL: index} if index else {}
    return {
        "metadata": {
            "name": f"{job_name(meta['uid'])}-{name}",
            "namespace": meta["namespace"],
            "uid": f"pod-{name}",
            "resourceVersion": "30",
            "creationTimestamp": TIME,
            "labels": {names.LABEL_WORKER: names.DEDICATED, names.LABEL_UID: meta["uid"]} | indexed,
            "ownerReferences": [{"uid": "job-" + meta["uid"], "name": job_name(meta["uid"]), "controller": True}],
        },
        "status": {
            "containerStatuses": [{"name": "istio-proxy"}, {"name": "worker", "state": state or {}}],
            "conditions": conditions or [],
        },
    }


def shared_job(name: str = "a", *conditions: tuple[str, str], namespace: str = "team", version: int = 20) -> JSON:
    """Returns the Job of a shared worker, with these conditions (type, reason) true."""
    built = build_shared(SHARED_PREFIX + name, "worker:1", "https://orders", "CA")
    built["metadata"] |= {
        "namespace": namespace,
        "uid": f"job-shared-{name}",
        "resourceVersion": str(version),
        "creationTimestamp": TIME,
    }
    built["status"] = {"conditions": [{"type": t, "status": "True", "reason": r} for t, r in conditions]}
    return built


def shared_pod(
    name: str = "a",
    state: JSON | None = None,
    *,
    namespace: str = "team",
    version: int = 30,
    conditions: list[JSON] | None = None,
) -> JSON:
    """Returns the pod of a shared worker, with its container in this state."""
    return {
        "metadata": {
            "name": f"{SHARED_PREFIX}{name}-x",
            "namespace": namespace,
            "uid": f"pod-shared-{name}",
            "resourceVersion": str(version),
            "creationTimestamp": TIME,
            "labels": {names.LABEL_WORKER: names.SHARED},
            "ownerReferences": [{"uid": f"job-shared-{name}", "name": SHARED_PREFIX + name, "controller": True}],
        },
        "status": {
            "containerStatuses": [{"name": "istio-proxy"}, {"name": "worker", "state": state or {}}],
            "conditions": conditions or [],
        },
    }


RUNNING: JSON = {"running": {"startedAt": TIME}}


def terminated(code: int, message: str = "", reason: str = "Error") -> JSON:
    return {"terminated": {"exitCode": code, "message": message, "reason": reason}}


def program_of(quantumjob: JSON) -> Program:
    """Returns the program that the operator accepts."""
    found = accept(quantumjob)
    assert isinstance(found, Program)
    return found


class FakeKube:
    """An API server in memory, with optimistic locking and name conflicts. Raises the errors of `fail` first."""

    def __init__(self, *objects: JSON) -> None:
        self.objects: dict[tuple[ResourceKind, str, str], JSON] = {}
        self.calls: list[tuple[str, str]] = []
        self.fail: list[Exception] = []
        self._versions = itertools.count(100)
        for each in objects:
            self.put(QUANTUMJOBS, each)

    def put(self, kind: ResourceKind, item: JSON) -> JSON:
        meta = item["metadata"]
        stored = copy.deepcopy(item)
        stored["metadata"]["resourceVersion"] = str(next(self._versions))
        self.objects[kind, meta["namespace"], meta["name"]] = stored
        return copy.deepcopy(stored)

    def _called(self, what: str, name: str) -> None:
        if self.fail:
            raise self.fail.pop(0)
        self.calls.append((what, name))

    async def get(self, kind: ResourceKind, namespace: str, name: str) -> JSON | None:
        self._called(f"get {kind.plural}", name)
        return copy.deepcopy(self.objects.get((kind, namespace, name)))

    async def list(self, kind: ResourceKind, namespace: str | None, **_: Any) -> AsyncIterator[JSON]:
        self._called(f"list {kind.plural}", namespace or "")
        for (each, space, _name), item in list(self.objects.items()):
            if each is kind and namespace in {None, space}:
                yield copy.deepcopy(item)

    async def create(self, kind: ResourceKind, namespace: str, body: JSON) -> JSON | None:
        self._called(f"create {kind.plural}", body["metadata"]["name"])
        if (kind, namespace, body["metadata"]["name"]) in self.objects:
            return None
        body = copy.deepcopy(body)
        body["metadata"] |= {"namespace": namespace, "creationTimestamp": clock.seconds(clock.now())}
        body["metadata"].setdefault(
            "uid", f"{kind.plural.removesuffix('s')}-{body['metadata']['name'].removeprefix('qj-')}"
        )
        return self.put(kind, body)

    async def delete(self, kind: ResourceKind, namespace: str, name: str, uid: str) -> None:
        """Marks the object as being deleted, as foreground deletion does; `vanish` removes it."""
        self._called(f"delete {kind.plural}", name)
        there = self.objects.get((kind, namespace, name))
        if there is not None and there["metadata"]["uid"] == uid:
            self.put(kind, there | {"metadata": there["metadata"] | {"deletionTimestamp": TIME}})

    def vanish(self, kind: ResourceKind, name: str, namespace: str = "team") -> JSON:
        """Removes the object; returns its last state, which a watch would deliver."""
        return self.objects.pop((kind, namespace, name))

    async def apply_status(self, resource: JSON, status: JSON) -> JSON:
        meta = resource["metadata"]
        self._called("status", str(status.get("phase")))
        there = self.objects.get((QUANTUMJOBS, meta["namespace"], meta["name"]))
        if there is None:
            raise ApiError(404, "not found")
        if there["metadata"]["resourceVersion"] != meta["resourceVersion"]:
            raise ApiError(409, "conflict")
        return self.put(QUANTUMJOBS, there | {"status": status})

    def status(self, name: str = "bell", namespace: str = "team") -> JSON:
        found: JSON = self.objects[QUANTUMJOBS, namespace, name].get("status", {})
        return found

    def of_kind(self, kind: ResourceKind) -> list[JSON]:
        return [item for (each, _, _), item in self.objects.items() if each is kind]


__all__ = [
    "EVENTS",
    "JOBS",
    "PODS",
    "QUANTUMJOBS",
    "RUNNING",
    "FakeKube",
    "another",
    "job",
    "pod",
    "quantumjob",
    "shared_job",
    "shared_pod",
    "terminated",
]
