"""Builds the objects that are compared: the Bell QuantumJob of the examples, a long one, and a raw Job of Bell."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Final

import yaml

from quantumjob_operator.model.job_template import build_job

JSON = dict[str, Any]

BELL: Final = Path(__file__).resolve().parents[1] / "examples" / "bell.yaml"
SHOTS: Final = 1024
"""The default of a QuantumJob."""
LONG: Final = """\
OPENQASM 3.0;
include "stdgates.inc";
qubit[22] q;
bit[22] c;
for int i in [1:{layers}] {{ h q; for int j in [0:20] {{ cx q[j], q[j + 1]; rz(0.3) q[j]; }} }}
c = measure q;
"""
"""A statevector of 64 MiB; the number of layers sets the run time."""

# The least work for these counts: the gates are Aer's, so nothing is transpiled.
PROGRAM: Final = """\
import sys
from qiskit import qasm3
from qiskit_aer import AerSimulator
print(AerSimulator().run(qasm3.loads(sys.argv[1]), shots=int(sys.argv[2])).result().get_counts())
"""


def bell() -> JSON:
    """Returns the example `examples/bell.yaml`."""
    body: JSON = yaml.safe_load(BELL.read_text())
    return body


def dedicated(quantumjob: JSON) -> JSON:
    """Returns the QuantumJob with a dedicated worker."""
    return quantumjob | {"spec": quantumjob["spec"] | {"dedicated": True}}


def long(layers: int) -> JSON:
    """Returns a long QuantumJob, behind which small ones must not wait."""
    body = copy.deepcopy(bell())
    body["spec"]["program"]["pubs"][0]["circuit"]["inline"] = LONG.format(layers=layers)
    return body


def quota(name: str) -> JSON:
    """Returns a quota of no batch/v1 Job, under which a namespace's QuantumJobs wait."""
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": name},
        "spec": {"hard": {"count/jobs.batch": "0"}},
    }


def raw_job(defaulted: JSON, image: str) -> JSON:
    """Returns a plain batch/v1 Job in the worker's image, with the worker's resources and security context.

    `defaulted` is the QuantumJob with the API server's defaults. Token, order endpoint and pod failure policy
    are left out, so that the baseline is as low as possible.
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
    """Returns the object with this name and no other metadata."""
    return body | {"metadata": {"name": name}}
