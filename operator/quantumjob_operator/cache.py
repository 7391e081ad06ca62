"""Holds what the informer has seen: unfinished QuantumJobs, and the Jobs and pods of all workers."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

from quantumjob_contract import names
from quantumjob_contract.keys import Owner
from quantumjob_operator.kubernetes.objects import controller_uid, is_newer, trim, uid_of, version
from quantumjob_operator.model import status
from quantumjob_operator.model.job_template import job_name
from quantumjob_operator.model.worker_state import has_ended
from quantumjob_operator.scheduling import worker_pool
from quantumjob_operator.scheduling.worker_pool import WorkerPool

JSON = dict[str, Any]
Concern = Owner | str | None
"""What an object concerns: a QuantumJob, the namespace of a shared worker, or nothing that this operator manages."""

DRAFT: Final = "draft"
REMEMBERED: Final = 10_000
"""UIDs of finished QuantumJobs, for which the watch may still deliver older versions."""


class Cache:
    """The newest known version of each object, reduced to the fields that decisions read. Ignores older versions."""

    def __init__(self) -> None:
        self.quantumjobs: dict[Owner, JSON] = {}
        self.pool = WorkerPool()
        self._finished: OrderedDict[str, None] = OrderedDict()
        self._jobs: dict[Owner, JSON] = {}
        self._kept: set[Owner] = set()
        self._pods: dict[Owner, dict[str, JSON]] = {}
        self._owner_of_pod: dict[str, Owner] = {}

    def put_quantumjob(self, raw: JSON) -> Owner:
        owner = owner_of_quantumjob(raw)
        if status.is_terminal(raw.get("status", {})):
            self.drop_quantumjob(raw)
        elif owner.uid not in self._finished and is_newer(raw, known := self.quantumjobs.get(owner)):
            self.quantumjobs[owner] = trim(raw, "spec")
            if known is not None and self.is_draft(known) and not raw.get("status"):
                self.draft(owner, known["status"])
        return owner

    def draft(self, owner: Owner, wanted: JSON) -> None:
        """Sets a status that is not written yet; the next version with a status replaces it."""
        self.quantumjobs[owner] = self.quantumjobs[owner] | {"status": wanted, DRAFT: True}

    def is_draft(self, quantumjob: JSON) -> bool:
        """Whether the status is a draft, known to this process only."""
        return DRAFT in quantumjob

    def drop_quantumjob(self, raw: JSON) -> Owner:
        """Removes a QuantumJob that is finished or deleted. Its UID is never added again."""
        owner = owner_of_quantumjob(raw)
        self.quantumjobs.pop(owner, None)
        self._finished[owner.uid] = None
        while len(self._finished) > REMEMBERED:
            self._finished.popitem(last=False)
        if owner in self._kept:
            self._kept.discard(owner)
            self._jobs.pop(owner, None)
        return owner

    def is_finished(self, uid: str) -> bool:
        """Whether the QuantumJob of this UID is finished or deleted, among the last REMEMBERED ones."""
        return uid in self._finished

    def put_job(self, raw: JSON) -> Concern:
        if worker_pool.is_shared(raw):
            return self.pool.put_job(trim(raw)) if worker_pool.is_shared_job(raw) else None
        owner = owner_of_job(raw)
        if owner is not None and is_newer(raw, self._jobs.get(owner)):
            self._jobs[owner] = trim(raw)
        return owner

    def drop_job(self, raw: JSON) -> Concern:
        if worker_pool.is_shared(raw):
            return self.pool.drop_job(raw)
        owner = owner_of_job(raw)
        if owner is None or ((known := self._jobs.get(owner)) and uid_of(known) != uid_of(raw)):
            return owner
        if has_ended(raw) and owner in self.quantumjobs:
            # The controller has not seen yet how the Job ended.
            self._jobs[owner] = trim(raw)
            self._kept.add(owner)
        else:
            self._jobs.pop(owner, None)
        return owner

    def put_pod(self, raw: JSON) -> Concern:
        if worker_pool.is_shared(raw):
            job = controller_uid(raw)
            return self.pool.put_pod(trim(raw), job) if job else None
        owner = owner_of(raw)
        if owner is not None:
            pods = self._pods.setdefault(owner, {})
            if is_newer(raw, pods.get(uid_of(raw))):
                pods[uid_of(raw)] = trim(raw)
                self._owner_of_pod[uid_of(raw)] = owner
        return owner

    def drop_pod(self, raw: JSON) -> Concern:
        if worker_pool.is_shared(raw):
            job = controller_uid(raw)
            return self.pool.drop_pod(raw, job) if job else None
        owner = owner_of(raw)
        self._owner_of_pod.pop(uid_of(raw), None)
        if owner is not None and (pods := self._pods.get(owner)):
            pods.pop(uid_of(raw), None)
            if not pods:
                del self._pods[owner]
        return owner

    def job(self, owner: Owner) -> JSON | None:
        return self._jobs.get(owner)

    def pods(self, owner: Owner) -> list[JSON]:
        """Returns the pods that the QuantumJob's Job controls, oldest first."""
        job = self._jobs.get(owner)
        if job is None:
            return []
        pods = [pod for pod in self._pods.get(owner, {}).values() if controller_uid(pod) == uid_of(job)]
        return sorted(pods, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))

    def owner_of_pod(self, pod_uid: str) -> Owner | None:
        """Returns the QuantumJob that the pod's label names."""
        return self._owner_of_pod.get(pod_uid)

    def versions(self, plural: str) -> dict[str, int]:
        """Returns the resource versions of all objects of a kind, by UID, without those that were deleted."""
        return {uid_of(item): version(item) for item in self._of_kind(plural)}

    def find(self, plural: str, uids: set[str]) -> list[JSON]:
        """Returns the objects of a kind with these UIDs."""
        return [item for item in self._of_kind(plural) if uid_of(item) in uids]

    def _of_kind(self, plural: str) -> list[JSON]:
        if plural == "quantumjobs":
            return list(self.quantumjobs.values())
        own = {
            "jobs": [job for owner, job in self._jobs.items() if owner not in self._kept],
            "pods": [pod for pods in self._pods.values() for pod in pods.values()],
        }
        return own[plural] + self.pool.objects(plural)


def owner_of_quantumjob(raw: JSON) -> Owner:
    return Owner(raw["metadata"]["namespace"], uid_of(raw))


def owner_of(raw: JSON) -> Owner | None:
    """Returns the QuantumJob that the label of a dedicated worker's object names."""
    uid = raw["metadata"].get("labels", {}).get(names.LABEL_UID)
    return Owner(raw["metadata"]["namespace"], uid) if uid else None


def owner_of_job(raw: JSON) -> Owner | None:
    """Returns the QuantumJob whose Job this is. Name, label and controller must agree."""
    owner = owner_of(raw)
    if owner is None or raw["metadata"]["name"] != job_name(owner.uid) or controller_uid(raw) != owner.uid:
        return None
    return owner


def is_known_kind(raw: JSON) -> bool:
    """Whether the cache takes this Job. Any user can put the label on a Job."""
    return worker_pool.is_shared_job(raw) if worker_pool.is_shared(raw) else owner_of_job(raw) is not None
