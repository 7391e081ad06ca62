"""The two things that are compared, as objects: the Bell QuantumJob of the examples, and a raw Job of the same."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Final

import yaml

from quantumjob_operator.children import build_job

JSON = dict[str, Any]

BELL: Final = Path(__file__).resolve().parents[1] / "examples" / "bell.yaml"
SHOTS: Final = 1024
"""The default of a QuantumJob."""

# The leanest way to these counts: gates that Aer knows, so nothing is transpiled.
PROGRAM: Final = """\
import sys
from qiskit import qasm3
from qiskit_aer import AerSimulator
print(AerSimulator().run(qasm3.loads(sys.argv[1]), shots=int(sys.argv[2])).result().get_counts())
"""


def bell() -> JSON:
    """The example, as its file says."""
    body: JSON = yaml.safe_load(BELL.read_text())
    return body


def raw_job(defaulted: JSON, image: str) -> JSON:
    """A plain batch/v1 Job in the worker's image, with the worker's resources and security context.

    `defaulted` is the QuantumJob with the API server's defaults. Whatever the worker needs to be one (token, orders,
    pod failure policy) is left out, so that the floor is as low as it can be.
    """
    body = build_job(defaulted, image, orders_url="", ca_pem="")
    circuit = defaulted["spec"]["program"]["pubs"][0]["circuit"]["inline"]
    pod = copy.deepcopy(body["spec"]["template"]["spec"])
    pod["volumes"] = [volume for volume in pod["volumes"] if "emptyDir" in volume]
    kept = {volume["name"] for volume in pod["volumes"]}
    (container,) = pod["containers"]
    container["command"] = ["python", "-c", PROGRAM, circuit, str(SHOTS)]
    container["volumeMounts"] = [mount for mount in container["volumeMounts"] if mount["name"] in kept]
    del container["env"]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "raw"},
        "spec": {"backoffLimit": 0, "template": {"spec": pod}},
    }


def named(body: JSON, name: str) -> JSON:
    """The object under this name, and without other metadata."""
    return body | {"metadata": {"name": name}}
