"""Derives the state of a dedicated worker from its Job and pods. Pure.

Pods are read before the Job: a pod's status shows an ended container two seconds before the Job is Complete.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from quantumjob_contract.exit_codes import PERMANENT
from quantumjob_contract.reasons import Reason
from quantumjob_contract.schema.decoding import decode
from quantumjob_contract.schema.results import Termination
from quantumjob_operator.model.job_template import CONTAINER

JSON = dict[str, Any]

IMAGE_REASONS = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
INDEX_LABEL = "batch.kubernetes.io/job-completion-index"
OOM_KILLED = "OOMKilled"
"""The reason in a container's status. With exit code 0 only a child process was killed."""


@dataclass(frozen=True)
class WorkerState:
    """The state of a job's workers.

    `ended`: a worker exited with 0. `failed`: Kubernetes starts no other.
    """

    state: Literal["absent", "waiting", "running", "ended", "failed"]
    reason: Reason
    message: str
    since: str = ""
    """Since when the job waits for its pod, or runs; RFC 3339."""


ABSENT = WorkerState("absent", Reason.WAITING_FOR_WORKER, "The program is valid; its worker is about to be created.")


def observe(job: JSON | None, pods: list[JSON], shards: int = 1) -> WorkerState:
    if job is None:
        return ABSENT
    name = job["metadata"]["name"]
    endings = [end for pod in pods if (end := terminated(pod)) and end["exitCode"]]
    done = {index_of(pod) for pod in pods if (end := terminated(pod)) and not end["exitCode"]}
    conditions = {c["type"]: c for c in job.get("status", {}).get("conditions", []) if c["status"] == "True"}
    if "Complete" in conditions or len(done) >= shards:
        return WorkerState("ended", Reason.STORING, "The worker has ended; its results are being verified.")
    if failed := conditions.get("Failed"):
        return _failed(failed, endings)
    if started := next(filter(None, map(running_since, pods)), None):
        return WorkerState("running", Reason.RUNNING, "The worker is running.", started)
    if is_suspended(job):
        return suspended(name)
    if waiting := next(filter(None, map(obstacle, pods)), None):
        return waiting
    if endings:
        return WorkerState(
            "waiting",
            Reason.RETRYING,
            f"{explain(endings[-1])} Another attempt follows if deadline and backoffLimit allow.",
        )
    message = f"The pod of Job {name} has not started yet; `kubectl describe job {name}` shows why."
    return WorkerState("waiting", Reason.WAITING_FOR_WORKER, message, job["metadata"]["creationTimestamp"])


def index_of(pod: JSON) -> int:
    """Returns the shard of a dedicated worker's pod."""
    index: str = pod["metadata"].get("labels", {}).get(INDEX_LABEL, "0")
    return int(index) if index.isdecimal() else 0


def _container(pod: JSON) -> JSON:
    """Returns the status of the worker's container; injected sidecars are ignored."""
    statuses = pod.get("status", {}).get("containerStatuses", [])
    return next((each for each in statuses if each.get("name") == CONTAINER), {})


def terminated(pod: JSON) -> JSON | None:
    end: JSON | None = _container(pod).get("state", {}).get("terminated")
    return end


def is_suspended(job: JSON) -> bool:
    conditions = job.get("status", {}).get("conditions", [])
    return any(c["type"] == "Suspended" and c["status"] == "True" for c in conditions)


def suspended(name: str) -> WorkerState:
    return WorkerState(
        "waiting", Reason.QUEUED, f"Job {name} is suspended, by Kueue until its quota has room or by a user."
    )


def is_out_of_memory(end: JSON) -> bool:
    """Whether the container itself was killed for memory, not only a child process."""
    return end.get("reason") == OOM_KILLED and bool(end["exitCode"])


def is_disrupted(pod: JSON) -> bool:
    """Whether the cluster evicted the pod, by a drain or a preemption."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "DisruptionTarget" and c["status"] == "True" for c in conditions)


def running_since(pod: JSON) -> str | None:
    running: JSON = _container(pod).get("state", {}).get("running") or {}
    return running.get("startedAt")


def obstacle(pod: JSON) -> WorkerState | None:
    """Returns what keeps a pod from starting, from its status; None where nothing does."""
    waiting = _container(pod).get("state", {}).get("waiting") or {}
    if waiting.get("reason") in IMAGE_REASONS:
        return WorkerState(
            "waiting", Reason.IMAGE_UNAVAILABLE, f"The worker's image cannot be pulled: {waiting['reason']}."
        )
    if waiting.get("reason") in {"CreateContainerConfigError", "CreateContainerError"}:
        return WorkerState("waiting", Reason.POD_REFUSED, f"The worker's container cannot start: {waiting['reason']}.")
    for condition in pod.get("status", {}).get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return WorkerState(
                "waiting", Reason.UNSCHEDULABLE, f"No node fits the worker: {condition.get('message', '')}"
            )
    return None


def _failed(condition: JSON, endings: list[JSON]) -> WorkerState:
    reason = condition.get("reason")
    if reason == "DeadlineExceeded":
        message = (
            "The job did not finish within spec.activeDeadlineSeconds, which includes waiting for a node. "
            "Raise it, or split the job."
        )
        return WorkerState("failed", Reason.DEADLINE_EXCEEDED, message)
    last = endings[-1] if endings else {}
    if is_out_of_memory(last):
        return WorkerState("failed", Reason.OUT_OF_MEMORY, explain(last))
    if reason == "PodFailurePolicy" or last.get("exitCode") in PERMANENT:
        return WorkerState("failed", Reason.WORKER_FAILED, explain(last) if last else "The worker failed permanently.")
    detail = explain(last) if last else "The worker's pods failed."
    return WorkerState("failed", Reason.BACKOFF_LIMIT_EXCEEDED, f"{detail} No attempt is left (spec.backoffLimit).")


def explain(end: JSON) -> str:
    """Returns a sentence on how a container ended: the worker's own message where it left one."""
    if is_out_of_memory(end):
        return "The worker was killed because it exceeded its memory limit. Raise spec.resources.limits.memory."
    try:
        said = decode(end.get("message", ""), Termination)
    except msgspec.DecodeError:
        return f"The worker ended with exit code {end['exitCode']}."
    return said.message


def has_ended(job: JSON) -> bool:
    """Whether the Job is Complete or Failed."""
    conditions = job.get("status", {}).get("conditions", [])
    return any(c["type"] in {"Complete", "Failed"} and c["status"] == "True" for c in conditions)
