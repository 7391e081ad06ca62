"""Whoever asks the operator for orders, and should not."""

from __future__ import annotations

import base64
import json
from typing import Any

from conftest import Namespace

import cluster
from quantumjob_contract import names, transfer

JSON = dict[str, Any]


def ask(port: int, path: str, token: str | None, body: JSON) -> tuple[int, JSON]:
    """The order endpoint's answer to a question: its status and what it says."""
    secret = cluster.get("secret", "quantumjob-operator-tls", cluster.SYSTEM)
    assert secret is not None
    http = transfer.pool(base64.b64decode(secret["data"]["ca.crt"]).decode())
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    url = f"https://localhost:{port}{path}"
    answer = http.request("POST", url, headers=headers, json=body, retries=False)
    return answer.status, json.loads(answer.data or b"{}")


def mounted_token(pod: str, namespace: str) -> str:
    """The token that a worker's pod has."""
    code = "import os;print(open(os.environ['QUANTUMJOB_TOKEN_FILE']).read())"
    return cluster.kubectl("exec", "-n", namespace, pod, "--", "python3", "-c", code).strip()


def bound_token(pod: str, namespace: str, audience: str = names.AUDIENCE) -> str:
    """A token as whoever may create tokens in the namespace gets it for one of its pods."""
    bound = ("--bound-object-kind=Pod", f"--bound-object-name={pod}")
    return cluster.kubectl("create", "token", "default", "-n", namespace, f"--audience={audience}", *bound).strip()


def plain_pod(namespace: Namespace, labels: dict[str, str] | None = None, name: str = "stranger") -> str:
    """A pod of the namespace that is no worker, though it may carry a worker's labels."""
    context = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {"name": "c", "image": worker_image(), "command": ["sleep", "600"], "securityContext": context}
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {"containers": [container]},
    }
    cluster.apply(body, namespace.name)
    return name


def worker_image() -> str:
    operator = cluster.get("deployment", "quantumjob-operator", cluster.SYSTEM)
    assert operator is not None
    environment = operator["spec"]["template"]["spec"]["containers"][0]["env"]
    found: str = next(each["value"] for each in environment if each["name"] == "QUANTUMJOB_WORKER_IMAGE")
    return found
