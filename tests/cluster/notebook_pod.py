"""A user's pod, as JupyterHub starts one on OpenShift, and the notebooks that are executed in it."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
from pathlib import Path
from typing import Any

from conftest import EXAMPLES, Namespace

import cluster

JSON = dict[str, Any]
HOME = "/home/scientist"
UIDS = 1_000_680_000
"""OpenShift gives each namespace ten thousand of them."""
RUN = """
import sys, nbclient, nbformat
notebook = nbformat.read(sys.stdin, 4)
nbclient.NotebookClient(notebook, timeout=120).execute()
nbformat.write(notebook, sys.stdout)
"""


def image() -> str:
    """Of the Dockerfile's target `notebook`: built for the local node, else the one that the environment names."""
    if "KUBECONFIG" in os.environ:
        return os.environ["QUANTUMJOB_NOTEBOOK_IMAGE"]
    tool = str(cluster.ROOT / "hack" / "images")
    subprocess.run([tool, "build", "notebook"], check=True)
    loaded = subprocess.run([tool, "load", "notebook"], check=True, stdout=subprocess.PIPE, text=True)
    return loaded.stdout.strip()


def start(namespace: Namespace, image: str, account: str, name: str = "jupyter") -> str:
    """A pod of this account's; returns its name, once it runs."""
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
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}, namespace.name)
    cluster.kubectl("wait", "-n", namespace.name, "--for=condition=Ready", f"pod/{name}", "--timeout=120s")
    return name


def execute(namespace: Namespace, pod: str, notebook: str) -> list[JSON]:
    """Each cell's outputs, in a kernel of its own that is gone afterwards. Raises RuntimeError with a cell's error."""
    source = (EXAMPLES / "notebooks" / f"{notebook}.ipynb").read_text()
    done = cluster.kubectl("exec", "-i", "-n", namespace.name, pod, "--", "python", "-c", RUN, stdin=source)
    return [output for cell in json.loads(done)["cells"] for output in cell.get("outputs", ())]


def pictures(outputs: list[JSON]) -> list[bytes]:
    """PNG files, in their order."""
    found = [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    return [base64.b64decode(each) for each in found]


def told(outputs: list[JSON]) -> str:
    """What the cells print and return."""
    return "".join("".join(output.get("text") or output.get("data", {}).get("text/plain", ())) for output in outputs)


def keep(notebook: str, picture: bytes) -> None:
    """For docs/, where `make pictures` asks for it."""
    if folder := os.environ.get("QUANTUMJOB_TEST_PICTURES"):
        (Path(folder) / f"{notebook}.png").write_bytes(picture)
