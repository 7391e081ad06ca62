"""The child Job of a QuantumJob: built by pure functions, its name a function of the UID, so a repeat is a 409."""

from __future__ import annotations

from typing import Any, Final

from quantumjob_contract import exits, names

JSON = dict[str, Any]

TOKEN_DIR: Final = "/var/run/secrets/quantumjobs.io"
TOKEN_SECONDS: Final = 3600
"""Kubelet renews the token when four fifths of this have passed."""
GRACE_SECONDS: Final = 20
"""From SIGTERM to SIGKILL: enough to store the pubs that are done."""
TMP_SIZE: Final = "256Mi"
CONTAINER: Final = "worker"


def job_name(uid: str) -> str:
    """Unique in the cluster, since the UID is; short enough for a pod's name and label."""
    return f"qj-{uid}"


def build_job(quantumjob: JSON, image: str, orders_url: str, ca_pem: str) -> JSON:
    """The batch/v1 Job that runs a QuantumJob. It asks for its order and holds no secret but the token for asking."""
    meta, spec = quantumjob["metadata"], quantumjob["spec"]
    labels = {names.LABEL_UID: meta["uid"], names.LABEL_NAME: meta["name"]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(meta["uid"]),
            "labels": labels,
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
            "completions": 1,
            "parallelism": 1,
            "backoffLimit": spec["backoffLimit"],
            "activeDeadlineSeconds": spec["activeDeadlineSeconds"],
            "ttlSecondsAfterFinished": spec["ttlSecondsAfterFinished"],
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {"rules": _failure_rules()},
            "template": {"metadata": {"labels": labels}, "spec": _pod(spec, image, orders_url, ca_pem)},
        },
    }


def _failure_rules() -> list[JSON]:
    permanent = {"containerName": CONTAINER, "operator": "In", "values": list(exits.PERMANENT)}
    return [
        {"action": "FailJob", "onExitCodes": permanent},
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
    ]


def _pod(spec: JSON, image: str, orders_url: str, ca_pem: str) -> JSON:
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
                "resources": spec["resources"],
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
