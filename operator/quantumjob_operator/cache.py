"""What the watches have told, trimmed to what decisions need, by the QuantumJob that it belongs to."""

from __future__ import annotations

from typing import Any

from quantumjob_contract import names
from quantumjob_contract.keys import Owner
from quantumjob_operator import status
from quantumjob_operator.children import job_name

JSON = dict[str, Any]


class Cache:
    """Objects in their newest known version. An older one, such as a watch's late echo, changes nothing."""

    def __init__(self) -> None:
        self.quantumjobs: dict[Owner, JSON] = {}
        self._jobs: dict[Owner, JSON] = {}
        self._kept: set[Owner] = set()
        self._pods: dict[Owner, dict[str, JSON]] = {}

    def put_quantumjob(self, raw: JSON) -> Owner:
        owner = Owner(raw["metadata"]["namespace"], raw["metadata"]["uid"])
        if _is_newer(raw, self.quantumjobs.get(owner)):
            self.quantumjobs[owner] = trim_quantumjob(raw)
            if status.is_terminal(raw.get("status", {})):
                self._let_go(owner)
        return owner

    def drop_quantumjob(self, raw: JSON) -> Owner:
        owner = Owner(raw["metadata"]["namespace"], raw["metadata"]["uid"])
        self.quantumjobs.pop(owner, None)
        self._let_go(owner)
        return owner

    def put_job(self, raw: JSON) -> Owner | None:
        owner = owner_of_job(raw)
        if owner is not None and _is_newer(raw, self._jobs.get(owner)):
            self._jobs[owner] = trim(raw)
        return owner

    def drop_job(self, raw: JSON) -> Owner | None:
        owner = owner_of_job(raw)
        if owner is None or ((known := self._jobs.get(owner)) and _uid(known) != _uid(raw)):
            return owner
        quantumjob = self.quantumjobs.get(owner)
        if has_ended(raw) and quantumjob is not None and not status.is_terminal(quantumjob.get("status", {})):
            self._jobs[owner] = trim(raw)
            self._kept.add(owner)
        else:
            self._jobs.pop(owner, None)
        return owner

    def _let_go(self, owner: Owner) -> None:
        """Forget a Job that is gone, and was kept because nobody had heard how it ended."""
        if owner in self._kept:
            self._kept.discard(owner)
            self._jobs.pop(owner, None)

    def put_pod(self, raw: JSON) -> Owner | None:
        owner = owner_of(raw)
        if owner is not None:
            pods = self._pods.setdefault(owner, {})
            if _is_newer(raw, pods.get(_uid(raw))):
                pods[_uid(raw)] = trim(raw)
        return owner

    def drop_pod(self, raw: JSON) -> Owner | None:
        owner = owner_of(raw)
        if owner is not None and (pods := self._pods.get(owner)):
            pods.pop(_uid(raw), None)
            if not pods:
                del self._pods[owner]
        return owner

    def job(self, owner: Owner) -> JSON | None:
        return self._jobs.get(owner)

    def pods(self, owner: Owner) -> list[JSON]:
        """The pods of the QuantumJob's Job, oldest first; none that only carries its label."""
        job = self._jobs.get(owner)
        if job is None:
            return []
        pods = [pod for pod in self._pods.get(owner, {}).values() if controller_uid(pod) == _uid(job)]
        return sorted(pods, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))

    def owners_with_pod(self, pod_uid: str) -> list[Owner]:
        """The QuantumJobs that a pod may belong to, by its label."""
        return [owner for owner, pods in self._pods.items() if pod_uid in pods]

    def unfinished(self) -> list[Owner]:
        return [o for o, q in self.quantumjobs.items() if not status.is_terminal(q.get("status", {}))]

    def versions(self, plural: str) -> dict[str, int]:
        """The known versions of all objects of a kind that the watch has not told to be deleted, by UID."""
        return {_uid(item): version(item) for item in self._of_kind(plural)}

    def find(self, plural: str, uids: set[str]) -> list[JSON]:
        """The objects of a kind with these UIDs."""
        return [item for item in self._of_kind(plural) if _uid(item) in uids]

    def _of_kind(self, plural: str) -> list[JSON]:
        return {
            "quantumjobs": list(self.quantumjobs.values()),
            "jobs": [job for owner, job in self._jobs.items() if owner not in self._kept],
            "pods": [pod for pods in self._pods.values() for pod in pods.values()],
        }[plural]


def has_ended(job: JSON) -> bool:
    """Complete or Failed, as the Job itself says."""
    conditions = job.get("status", {}).get("conditions", [])
    return any(c["type"] in {"Complete", "Failed"} and c["status"] == "True" for c in conditions)


def owner_of_job(raw: JSON) -> Owner | None:
    """The QuantumJob whose child this Job is: by name, label and controller at once."""
    owner = owner_of(raw)
    if owner is None or raw["metadata"]["name"] != job_name(owner.uid) or controller_uid(raw) != owner.uid:
        return None
    return owner


def controller_uid(raw: JSON) -> str | None:
    references = raw["metadata"].get("ownerReferences", [])
    return next((ref["uid"] for ref in references if ref.get("controller")), None)


def trim_quantumjob(raw: JSON) -> JSON:
    """Of a finished one, only what tells that it is finished."""
    if not status.is_terminal(raw.get("status", {})):
        return trim(raw, "spec")
    ends = [c for c in raw["status"]["conditions"] if c["type"] in (*status.TERMINAL, "ResultsStored")]
    return {"metadata": _metadata(raw), "status": {"conditions": ends}}


def trim(raw: JSON, *keep: str) -> JSON:
    return {"metadata": _metadata(raw), "status": raw.get("status", {})} | {key: raw[key] for key in keep}


def version(raw: JSON) -> int:
    """The resource version as a number: etcd's revision."""
    return int(raw["metadata"]["resourceVersion"])


def _metadata(raw: JSON) -> JSON:
    return {key: value for key, value in raw["metadata"].items() if key not in {"managedFields", "annotations"}}


def owner_of(raw: JSON) -> Owner | None:
    """The QuantumJob that an object's label names."""
    uid = raw["metadata"].get("labels", {}).get(names.LABEL_UID)
    return Owner(raw["metadata"]["namespace"], uid) if uid else None


def _uid(raw: JSON) -> str:
    uid: str = raw["metadata"]["uid"]
    return uid


def _is_newer(raw: JSON, known: JSON | None) -> bool:
    return known is None or _uid(raw) != _uid(known) or version(raw) > version(known)
