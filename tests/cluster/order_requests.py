"""Requests to the order endpoint by pods and tokens that may not have an order."""

from __future__ import annotations

import base64
import json
from typing import Any

import operator_deployment
from namespaces import Namespace

import cluster
from quantumjob_contract import names, transfer

JSON = dict[str, Any]


def post(port: int, path: str, token: str | None, body: JSON) -> tuple[int, JSON]:
    """Posts to the order endpoint; returns the status and the body of the answer."""
    secret = cluster.get("secrets", "quantumjob-operator-tls", cluster.SYSTEM)
    assert secret is not None
    http = transfer.pool(base64.b64decode(secret["data"]["ca.crt"]).decode())
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    url = f"https://localhost:{port}{path}"
    answer = http.request("POST", url, headers=headers, json=body, retries=False)
    return answer.status, json.loads(answer.data or b"{}")


def mounted_token(pod: str, namespace: Namespace) -> str:
    """Reads the token that is mounted in a worker's pod."""
    code = "import os;print(open(os.environ['QUANTUMJOB_TOKEN_FILE']).read())"
    return namespace.exec(pod, "python3", "-c", code).strip()


def account_token(namespace: str, audience: str = names.AUDIENCE, pod: str = "") -> str:
    """Creates a token of the namespace's default account, bound to a pod if one is given."""
    bound_to = {"apiVersion": "v1", "kind": "Pod", "name": pod} if pod else None
    return cluster.token("default", namespace, [audience], bound_to)


def plain_pod(namespace: Namespace, labels: dict[str, str] | None = None, name: str = "stranger") -> str:
    """Starts a pod that is no worker, though it may carry a worker's labels; returns its name."""
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
    namespace.start_pod(body)
    return name


def worker_image() -> str:
    """Returns the image that the installed operator starts workers with."""
    return operator_deployment.environment()["QUANTUMJOB_WORKER_IMAGE"]
