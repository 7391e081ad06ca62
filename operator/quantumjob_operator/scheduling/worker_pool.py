"""The shared workers of each namespace, by what the informer has seen. No I/O."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from quantumjob_contract import names
from quantumjob_contract.reasons import Reason
from quantumjob_contract.schema.orders import POLL_SECONDS
from quantumjob_operator import clock
from quantumjob_operator.kubernetes.objects import is_newer
from quantumjob_operator.model.job_template import SHARED_PREFIX, template_of
from quantumjob_operator.model.worker_state import (
    WorkerState,
    has_ended,
    is_suspended,
    obstacle,
    running_since,
    suspended,
    terminated,
)
from quantumjob_operator.scheduling.assignment import Pod

JSON = dict[str, Any]

NO_POD_SECONDS: Final = 5.0
"""Kubernetes creates a Job's pod within a second. A Job without one for this time was refused it."""
SILENT_WORKER_SECONDS: Final = POLL_SECONDS + 20.0
"""A worker sends a request at least every POLL_SECONDS. Without one for this time it is not counted."""
DELETE_SILENT_SECONDS: Final = 300.0
"""The Job of a worker that is silent for this time is deleted."""
UNSTARTED_SECONDS: Final = 30.0
"""Long enough to pull an image from a nearby registry."""


@dataclass
class PooledWorker:
    """A shared worker: its Job and its pods by UID. For a short time there may be two pods."""

    job: JSON | None = None
    pods: dict[str, JSON] = field(default_factory=dict)

    @property
    def present(self) -> bool:
        """Whether the worker runs or will start."""
        if self.job is None or has_ended(self.job) or "deletionTimestamp" in self.job["metadata"]:
            return False
        return not self.pods or not all(_has_terminated(pod) for pod in self.pods.values())

    @property
    def running(self) -> bool:
        return self.present and any(running_since(pod) and not _has_terminated(pod) for pod in self.pods.values())


class WorkerPool:
    """All shared workers."""

    def __init__(self) -> None:
        self._workers: dict[str, dict[str, PooledWorker]] = defaultdict(lambda: defaultdict(PooledWorker))
        """By namespace and the Job's UID."""
        self._draining: set[str] = set()
        """UIDs of pods that take no other order."""
        self._last_heartbeat: dict[str, datetime] = {}
        """The time of the last request, by the pod's UID."""

    def put_job(self, raw: JSON) -> str:
        """Returns the namespace."""
        namespace: str = raw["metadata"]["namespace"]
        worker = self._workers[namespace][raw["metadata"]["uid"]]
        if is_newer(raw, worker.job):
            worker.job = raw
        return namespace

    def drop_job(self, raw: JSON) -> str:
        namespace: str = raw["metadata"]["namespace"]
        if (worker := self._worker(namespace, raw["metadata"]["uid"])) is not None:
            worker.job = None
            self._forget(namespace, raw["metadata"]["uid"])
        return namespace

    def put_pod(self, raw: JSON, job_uid: str) -> str:
        namespace: str = raw["metadata"]["namespace"]
        pods = self._workers[namespace][job_uid].pods
        if is_newer(raw, pods.get(raw["metadata"]["uid"])):
            pods[raw["metadata"]["uid"]] = raw
        return namespace

    def drop_pod(self, raw: JSON, job_uid: str) -> str:
        namespace: str = raw["metadata"]["namespace"]
        self._draining.discard(raw["metadata"]["uid"])
        self._last_heartbeat.pop(raw["metadata"]["uid"], None)
        if (worker := self._worker(namespace, job_uid)) is not None:
            worker.pods.pop(raw["metadata"]["uid"], None)
            self._forget(namespace, job_uid)
        return namespace

    def _forget(self, namespace: str, job_uid: str) -> None:
        worker = self._workers[namespace][job_uid]
        if worker.job is None and not worker.pods:
            del self._workers[namespace][job_uid]
        if not self._workers[namespace]:
            del self._workers[namespace]

    def record_heartbeat(self, pod: Pod, now: datetime) -> None:
        """Records a request of a worker."""
        if self.find(*pod):
            self._last_heartbeat[pod.uid] = now

    def drain(self, pod: Pod) -> None:
        """Excludes a worker that takes no other order from the count."""
        if self.find(*pod):
            self._draining.add(pod.uid)

    def is_draining(self, pod: Pod) -> bool:
        return pod.uid in self._draining

    def count(self, namespace: str, now: datetime) -> int:
        """Returns how many workers run or will start, without draining and silent ones."""
        return sum(
            worker.present and not (worker.pods and all(map(self._draining.__contains__, worker.pods)))
            for worker in self._of(namespace)
            if self._silent_seconds(worker, now) < SILENT_WORKER_SECONDS
        )

    def silent_jobs(self, namespace: str, now: datetime) -> list[JSON]:
        """Returns the Jobs of running workers that have been silent for long."""
        workers = [worker for worker in self._of(namespace) if worker.present]
        return [
            worker.job for worker in workers if worker.job and self._silent_seconds(worker, now) > DELETE_SILENT_SECONDS
        ]

    def _silent_seconds(self, worker: PooledWorker, now: datetime) -> float:
        """Returns the seconds since the last request of a running worker, or since it was first seen running."""
        if not worker.running:
            return 0.0
        heard = [self._last_heartbeat.setdefault(uid, now) for uid in worker.pods]
        return (now - max(heard)).total_seconds()

    def namespaces(self) -> set[str]:
        """Returns the namespaces with a worker."""
        return set(self._workers)

    def count_running(self, namespace: str) -> int:
        return sum(worker.running for worker in self._of(namespace))

    def find(self, namespace: str, name: str, uid: str) -> Pod | None:
        """Returns the pod of a shared worker that has not ended. A terminating pod is accepted: it can still report."""
        for worker in self._of(namespace):
            pod = worker.pods.get(uid)
            if pod is None or worker.job is None or has_ended(worker.job) or terminated(pod):
                continue
            if pod["metadata"]["name"] == name:
                return Pod(namespace, name, uid)
        return None

    def template_of(self, pod: Pod) -> str | None:
        """Returns the hash of the pod template of a worker's Job."""
        job = next((worker.job for worker in self._of(pod.namespace) if pod.uid in worker.pods), None)
        return template_of(job) if job is not None else None

    def find_obstacle(self, namespace: str, now: datetime) -> WorkerState | None:
        """Returns what keeps a worker from starting; None where nothing does."""
        for worker in self._of(namespace):
            if not worker.present or worker.running or worker.job is None:
                continue
            if is_suspended(worker.job):
                return suspended(worker.job["metadata"]["name"])
            if found := next(filter(None, map(obstacle, worker.pods.values())), None):
                return found
            if not worker.pods and _age(worker.job, now) > NO_POD_SECONDS:
                return WorkerState("waiting", Reason.POD_REFUSED, no_pod_message(worker.job["metadata"]["name"]))
        return None

    def unstarted_jobs(self, namespace: str, now: datetime) -> list[JSON]:
        """Returns the Jobs of workers that have not started in time."""
        workers = [worker for worker in self._of(namespace) if worker.present and not worker.running]
        silent = [worker for worker in workers if not any(map(self._last_heartbeat.__contains__, worker.pods))]
        return [worker.job for worker in silent if worker.job and _age(worker.job, now) > UNSTARTED_SECONDS]

    def objects(self, plural: str) -> list[JSON]:
        """Returns all Jobs or all pods."""
        workers = [worker for of_namespace in self._workers.values() for worker in of_namespace.values()]
        if plural == "jobs":
            return [worker.job for worker in workers if worker.job is not None]
        return [pod for worker in workers for pod in worker.pods.values()]

    def _worker(self, namespace: str, job_uid: str) -> PooledWorker | None:
        return self._workers[namespace].get(job_uid) if namespace in self._workers else None

    def _of(self, namespace: str) -> list[PooledWorker]:
        return list(self._workers[namespace].values()) if namespace in self._workers else []


def is_shared(raw: JSON) -> bool:
    """Whether the label of a Job or pod is that of shared workers."""
    label: bool = raw["metadata"].get("labels", {}).get(names.LABEL_WORKER) == names.SHARED
    return label


def is_shared_job(job: JSON) -> bool:
    """Whether the Job has the form of a shared worker's: no owner, and the prefix. Any user can set the label."""
    meta = job["metadata"]
    return meta["name"].startswith(SHARED_PREFIX) and not meta.get("ownerReferences")


def no_pod_message(name: str) -> str:
    return (
        f"Kubernetes has created no pod for Job {name} of a shared worker; a quota or a policy may refuse it. "
        f"`kubectl describe job {name}` shows which."
    )


def _age(job: JSON, now: datetime) -> float:
    return (now - clock.parse(job["metadata"]["creationTimestamp"])).total_seconds()


def _has_terminated(pod: JSON) -> bool:
    """Whether the container has ended, or the pod is being deleted."""
    return terminated(pod) is not None or "deletionTimestamp" in pod["metadata"]
