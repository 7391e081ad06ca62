"""Builds the batch/v1 Jobs of workers. Pure.

A dedicated Job is named by the UID, so a repeated create is a conflict.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

from quantumjob_contract import exit_codes, names
from quantumjob_contract.resource import shards
from quantumjob_operator.model.placement import DEFAULT_RESOURCES

JSON = dict[str, Any]

TOKEN_DIR: Final = "/var/run/secrets/quantumjobs.io"
TOKEN_SECONDS: Final = 3600
"""Kubelet renews the token after 80 % of this time."""
GRACE_SECONDS: Final = 20
"""From SIGTERM to SIGKILL: enough to store completed pubs."""
TMP_SIZE: Final = "256Mi"
CONTAINER: Final = "worker"
SHARED_PREFIX: Final = "qj-shared-"
SHARED_TTL_SECONDS: Final = 60
"""The log of an ended shared worker can be read for this time."""


def job_name(uid: str) -> str:
    """The name is unique in the cluster and fits into a pod's name and a label."""
    return f"qj-{uid}"


def build_job(quantumjob: JSON, image: str, orders_url: str, ca_pem: str) -> JSON:
    """Builds the dedicated Job of a QuantumJob. Its only secret is the token for the order endpoint."""
    meta, spec = quantumjob["metadata"], quantumjob["spec"]
    labels = {
        names.LABEL_WORKER: names.DEDICATED,
        names.LABEL_UID: meta["uid"],
        names.LABEL_NAME: meta["name"],
    }
    queue = {key: value for key, value in meta.get("labels", {}).items() if key == names.LABEL_QUEUE}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(meta["uid"]),
            "labels": labels | queue,
            "ownerReferences": [
                {
                    "apiVersion": names.API_VERSION,
                    "kind": names.KIND,
                    "name": meta["name"],
                    "uid": meta["uid"],
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "spec": {
            **_parallel(shards(quantumjob)),
            "backoffLimit": spec["backoffLimit"],
            "activeDeadlineSeconds": spec["activeDeadlineSeconds"],
            "ttlSecondsAfterFinished": spec["ttlSecondsAfterFinished"],
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {"rules": _failure_rules()},
            "template": {"metadata": {"labels": labels}, "spec": _pod(spec["resources"], image, orders_url, ca_pem)},
        },
    }


def _parallel(shards: int) -> JSON:
    """Returns one pod per shard. The completion index is the shard's number, so a retry runs the same shard."""
    alone: JSON = {"completions": shards, "parallelism": shards}
    return alone if shards == 1 else alone | {"completionMode": "Indexed"}


def build_shared(name: str, image: str, orders_url: str, ca_pem: str) -> JSON:
    """Builds the Job of a shared worker. It has no owner, and is not retried: the autoscaler starts another."""
    labels = {names.LABEL_WORKER: names.SHARED}
    pod = _pod(DEFAULT_RESOURCES, image, orders_url, ca_pem)
    template = hashlib.sha256(msgspec.json.encode(pod, order="deterministic")).hexdigest()[:16]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels | {names.LABEL_TEMPLATE: template}},
        "spec": {
            "completions": 1,
            "parallelism": 1,
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": SHARED_TTL_SECONDS,
            "podReplacementPolicy": "Failed",
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def template_of(job: JSON) -> str | None:
    """Returns the hash of the pod template, by which workers with another image or setting are recognized."""
    label: str | None = job["metadata"].get("labels", {}).get(names.LABEL_TEMPLATE)
    return label


def _failure_rules() -> list[JSON]:
    permanent = {"containerName": CONTAINER, "operator": "In", "values": list(exit_codes.PERMANENT)}
    return [
        {"action": "FailJob", "onExitCodes": permanent},
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
    ]


def _pod(resources: JSON, image: str, orders_url: str, ca_pem: str) -> JSON:
    environment = {
        names.ENV_ORDERS_URL: orders_url,
        names.ENV_ORDERS_CA: ca_pem,
        names.ENV_TOKEN_FILE: f"{TOKEN_DIR}/token",
    }
    token = {"audience": names.AUDIENCE, "expirationSeconds": TOKEN_SECONDS, "path": "token"}
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": CONTAINER,
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                "env": [{"name": name, "value": value} for name, value in environment.items()],
                "resources": resources,
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": True,
                },
                "volumeMounts": [
                    {"name": "token", "mountPath": TOKEN_DIR, "readOnly": True},
                    {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  (the pod's own)
                ],
            }
        ],
        "volumes": [
            {"name": "token", "projected": {"sources": [{"serviceAccountToken": token}]}},
            {"name": "tmp", "emptyDir": {"sizeLimit": TMP_SIZE}},
        ],
    }
