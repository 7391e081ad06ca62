"""A user's pod, as JupyterHub starts one on OpenShift, and the execution of notebooks in it."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
from pathlib import Path
from typing import Any

from namespaces import EXAMPLES, Namespace

import cluster

JSON = dict[str, Any]
HOME = "/home/scientist"
UIDS = 1_000_680_000
"""OpenShift gives each namespace a range of ten thousand."""
RUN = """
import sys, nbclient, nbformat
notebook = nbformat.read(sys.stdin, 4)
nbclient.NotebookClient(notebook, timeout=120).execute()
nbformat.write(notebook, sys.stdout)
"""


def image() -> str:
    """Returns the image of the Dockerfile's target `notebook`, built for the local node or named by the environment."""
    if "KUBECONFIG" in os.environ:
        return os.environ["QUANTUMJOB_NOTEBOOK_IMAGE"]
    tool = str(cluster.ROOT / "hack" / "images")
    subprocess.run([tool, "build", "notebook"], check=True)
    loaded = subprocess.run([tool, "load", "notebook"], check=True, stdout=subprocess.PIPE, text=True)
    return loaded.stdout.strip()


def start(namespace: Namespace, image: str, account: str, name: str = "jupyter") -> str:
    """Starts a pod of this account; returns its name once it is ready."""
    container = {
        "name": "notebook",
        "image": image,
        "env": [{"name": "HOME", "value": HOME}],
        "workingDir": HOME,
        "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": "1", "memory": "1Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": UIDS + secrets.randbelow(10_000),
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "home", "mountPath": HOME}, {"name": "tmp", "mountPath": "/tmp"}],
    }
    spec = {
        "serviceAccountName": account,
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
        "volumes": [{"name": "home", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
    }
    namespace.start_pod({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})
    cluster.watch_until(
        "pods", name, namespace.name, lambda pod: cluster.condition(pod, "Ready").get("status") == "True", 120
    )
    return name


def execute(namespace: Namespace, pod: str, notebook: str) -> list[JSON]:
    """Executes a notebook in a new kernel; returns all outputs. Raises RuntimeError with a cell's error."""
    source = (EXAMPLES / "notebooks" / f"{notebook}.ipynb").read_text()
    done = cluster.kubectl("exec", "-i", "-n", namespace.name, pod, "--", "python", "-c", RUN, stdin=source)
    return [output for cell in json.loads(done)["cells"] for output in cell.get("outputs", ())]


def pictures(outputs: list[JSON]) -> list[bytes]:
    """Selects the PNG images."""
    found = [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    return [base64.b64decode(each) for each in found]


def printed(outputs: list[JSON]) -> str:
    """Joins what the cells print and return."""
    return "".join("".join(output.get("text") or output.get("data", {}).get("text/plain", ())) for output in outputs)


def keep(notebook: str, picture: bytes) -> None:
    """Writes a picture to the folder that `make pictures` names, if it does."""
    if folder := os.environ.get("QUANTUMJOB_TEST_PICTURES"):
        (Path(folder) / f"{notebook}.png").write_bytes(picture)
