"""The shared workers as the watches tell of them, by namespace. No I/O."""

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
    Worker,
    has_ended,
    is_suspended,
    obstacle,
    running_since,
    suspended,
    terminated,
)
from quantumjob_operator.scheduling.assignment import Pod

JSON = dict[str, Any]

PODLESS_SECONDS: Final = 5.0
"""Kubernetes makes a Job's pod within a second; one that has none for so long was refused it."""
LOST_SECONDS: Final = POLL_SECONDS + 20.0
"""A worker speaks at least every POLL_SECONDS; one that does not is not counted, so that another can be started."""
HOPELESS_SECONDS: Final = 300.0
"""After so long its Job is deleted."""
UNSTARTED_SECONDS: Final = 30.0
"""Long enough to pull an image that is near."""


@dataclass
class Member:
    """A worker: its Job, and its pods by UID (one, but for a moment at most)."""

    job: JSON | None = None
    pods: dict[str, JSON] = field(default_factory=dict)

    @property
    def present(self) -> bool:
        """Whether it runs, or will."""
        if self.job is None or has_ended(self.job) or "deletionTimestamp" in self.job["metadata"]:
            return False
        return not self.pods or not all(_is_over(pod) for pod in self.pods.values())

    @property
    def running(self) -> bool:
        return self.present and any(running_since(pod) and not _is_over(pod) for pod in self.pods.values())


class Crew:
    """All shared workers."""

    def __init__(self) -> None:
        self._members: dict[str, dict[str, Member]] = defaultdict(lambda: defaultdict(Member))
        """By namespace and the Job's UID."""
        self._leaving: set[str] = set()
        """UIDs of pods that were told to end, or said that they would."""
        self._heard: dict[str, datetime] = {}
        """When each pod was heard last, by its UID."""

    def put_job(self, raw: JSON) -> str:
        """Gives the namespace."""
        namespace: str = raw["metadata"]["namespace"]
        member = self._members[namespace][raw["metadata"]["uid"]]
        if is_newer(raw, member.job):
            member.job = raw
        return namespace

    def drop_job(self, raw: JSON) -> str:
        namespace: str = raw["metadata"]["namespace"]
        if (member := self._member(namespace, raw["metadata"]["uid"])) is not None:
            member.job = None
            self._forget(namespace, raw["metadata"]["uid"])
        return namespace

    def put_pod(self, raw: JSON, job_uid: str) -> str:
        namespace: str = raw["metadata"]["namespace"]
        pods = self._members[namespace][job_uid].pods
        if is_newer(raw, pods.get(raw["metadata"]["uid"])):
            pods[raw["metadata"]["uid"]] = raw
        return namespace

    def drop_pod(self, raw: JSON, job_uid: str) -> str:
        namespace: str = raw["metadata"]["namespace"]
        self._leaving.discard(raw["metadata"]["uid"])
        self._heard.pop(raw["metadata"]["uid"], None)
        if (member := self._member(namespace, job_uid)) is not None:
            member.pods.pop(raw["metadata"]["uid"], None)
            self._forget(namespace, job_uid)
        return namespace

    def _forget(self, namespace: str, job_uid: str) -> None:
        member = self._members[namespace][job_uid]
        if member.job is None and not member.pods:
            del self._members[namespace][job_uid]
        if not self._members[namespace]:
            del self._members[namespace]

    def hear(self, pod: Pod, now: datetime) -> None:
        """A worker has spoken."""
        if self.find(*pod):
            self._heard[pod.uid] = now

    def leave(self, pod: Pod) -> None:
        """A worker takes no other order: from now on it is not counted."""
        if self.find(*pod):
            self._leaving.add(pod.uid)

    def is_leaving(self, pod: Pod) -> bool:
        return pod.uid in self._leaving

    def present(self, namespace: str, now: datetime) -> int:
        """How many workers there are or will soon be, without those that leave, or are not heard any more."""
        return sum(
            member.present and not (member.pods and all(map(self._leaving.__contains__, member.pods)))
            for member in self._of(namespace)
            if self._silence(member, now) < LOST_SECONDS
        )

    def lost(self, namespace: str, now: datetime) -> list[JSON]:
        """Jobs of workers that run, by what Kubernetes says, and have not been heard for long."""
        members = [member for member in self._of(namespace) if member.present]
        return [member.job for member in members if member.job and self._silence(member, now) > HOPELESS_SECONDS]

    def _silence(self, member: Member, now: datetime) -> float:
        """Seconds since a worker that runs was heard, or should have been for the first time."""
        if not member.running:
            return 0.0
        heard = [self._heard.setdefault(uid, now) for uid in member.pods]
        return (now - max(heard)).total_seconds()

    def namespaces(self) -> set[str]:
        """Those that have a worker."""
        return set(self._members)

    def running(self, namespace: str) -> int:
        return sum(member.running for member in self._of(namespace))

    def find(self, namespace: str, name: str, uid: str) -> Pod | None:
        """The pod, if it is that of a worker of ours that has not ended; one that is told to end has last words."""
        for member in self._of(namespace):
            pod = member.pods.get(uid)
            if pod is None or member.job is None or has_ended(member.job) or terminated(pod):
                continue
            if pod["metadata"]["name"] == name:
                return Pod(namespace, name, uid)
        return None

    def template_of(self, pod: Pod) -> str | None:
        """What a worker was made from, by its Job."""
        job = next((member.job for member in self._of(pod.namespace) if pod.uid in member.pods), None)
        return template_of(job) if job is not None else None

    def stuck(self, namespace: str, now: datetime) -> Worker | None:
        """What keeps a worker from starting; None where none is kept."""
        for member in self._of(namespace):
            if not member.present or member.running or member.job is None:
                continue
            if is_suspended(member.job):
                return suspended(member.job["metadata"]["name"])
            if found := next(filter(None, map(obstacle, member.pods.values())), None):
                return found
            if not member.pods and _age(member.job, now) > PODLESS_SECONDS:
                return Worker("waiting", Reason.POD_REFUSED, podless(member.job["metadata"]["name"]))
        return None

    def unstarted(self, namespace: str, now: datetime) -> list[JSON]:
        """Jobs whose worker should run by now, and does not."""
        members = [member for member in self._of(namespace) if member.present and not member.running]
        silent = [member for member in members if not any(map(self._heard.__contains__, member.pods))]
        return [member.job for member in silent if member.job and _age(member.job, now) > UNSTARTED_SECONDS]

    def objects(self, plural: str) -> list[JSON]:
        """All Jobs, or all pods."""
        members = [member for of_namespace in self._members.values() for member in of_namespace.values()]
        if plural == "jobs":
            return [member.job for member in members if member.job is not None]
        return [pod for member in members for pod in member.pods.values()]

    def _member(self, namespace: str, job_uid: str) -> Member | None:
        return self._members[namespace].get(job_uid) if namespace in self._members else None

    def _of(self, namespace: str) -> list[Member]:
        return list(self._members[namespace].values()) if namespace in self._members else []


def is_shared(raw: JSON) -> bool:
    """Whether a Job or pod is a shared worker's, by its label."""
    label: bool = raw["metadata"].get("labels", {}).get(names.LABEL_WORKER) == names.SHARED
    return label


def is_ours(job: JSON) -> bool:
    """Whether a Job with our label is one that the operator makes: it belongs to nobody and has a name of our form."""
    meta = job["metadata"]
    return meta["name"].startswith(SHARED_PREFIX) and not meta.get("ownerReferences")


def podless(name: str) -> str:
    return (
        f"Kubernetes has made no pod for Job {name} of the namespace's shared worker: a quota or a policy refuses it. "
        f"`kubectl describe job {name}` tells which."
    )


def _age(job: JSON, now: datetime) -> float:
    return (now - clock.parse(job["metadata"]["creationTimestamp"])).total_seconds()


def _is_over(pod: JSON) -> bool:
    """Its container has ended, or it is told to."""
    return terminated(pod) is not None or "deletionTimestamp" in pod["metadata"]
