"""The notebooks of examples/, executed by nbclient in a user's pod under PodSecurity `restricted`."""

from __future__ import annotations

import re

import notebook_pod
import pytest
from namespaces import Namespace
from rest import account

import cluster

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def image() -> str:
    """The image of the pod, built once."""
    return notebook_pod.image()


@pytest.fixture
def pod(namespace: Namespace, image: str) -> str:
    """The name of a running pod of an account that may edit the namespace."""
    account(namespace.name, "scientist", "edit")
    return notebook_pod.start(namespace, image, "scientist")


def phases(namespace: Namespace) -> list[str]:
    """Lists the phases of the QuantumJobs."""
    return [job["status"]["phase"] for job in cluster.items("quantumjobs", namespace.name)]


def test_bell(namespace: Namespace, pod: str) -> None:
    outputs = notebook_pod.execute(namespace, pod, "1-bell")
    counts = {bits: int(count) for bits, count in re.findall(r"'(\d+)': (\d+)", notebook_pod.printed(outputs))}
    assert set(counts) == {"00", "11"}
    assert sum(counts.values()) == 4096
    (job,) = cluster.items("quantumjobs", namespace.name)
    assert f"{namespace.name}/{job['metadata']['name']}/{job['metadata']['uid']} DONE" in notebook_pod.printed(outputs)
    assert len(notebook_pod.pictures(outputs)) == 2
    notebook_pod.keep("1-bell", notebook_pod.pictures(outputs)[-1])


def test_a_sweep(namespace: Namespace, pod: str) -> None:
    outputs = notebook_pod.execute(namespace, pod, "2-fringes")
    assert notebook_pod.printed(outputs).count("shape=(73,), num_shots=1000") == 3
    assert phases(namespace) == ["Succeeded"]
    notebook_pod.keep("2-fringes", notebook_pod.pictures(outputs)[-1])


def test_an_estimator_in_a_loop(namespace: Namespace, pod: str) -> None:
    outputs = notebook_pod.execute(namespace, pod, "3-vqe")
    found = re.search(r"(-\d\.\d+) hartree after (\d+) steps; exact: (-\d\.\d+)", notebook_pod.printed(outputs))
    assert found
    assert 0 <= float(found[1]) - float(found[3]) < 0.0016  # chemical accuracy
    assert phases(namespace) == ["Succeeded"] * int(found[2])
    notebook_pod.keep("3-vqe", notebook_pod.pictures(outputs)[-1])


def test_a_job_outlives_its_kernel_and_its_quantumjob(namespace: Namespace, pod: str) -> None:
    notebook_pod.execute(namespace, pod, "4-overnight")
    outputs = notebook_pod.execute(namespace, pod, "5-next-morning")
    assert notebook_pod.printed(outputs).startswith("DONE 20 circuits\n")
    assert notebook_pod.printed(outputs).endswith("True")
    assert phases(namespace) == []
    notebook_pod.keep("5-next-morning", notebook_pod.pictures(outputs)[-1])


def test_the_pod_is_read_only_and_has_an_arbitrary_uid(namespace: Namespace, pod: str) -> None:
    """Only its volumes can be written, and its user has no name."""
    code = "import os, pwd; print(os.getuid()); open('/opt/quantumjob/x', 'w')"
    refused = cluster.kubectl("exec", "-n", namespace.name, pod, "--", "python", "-c", code, check=False)
    assert int(refused.splitlines()[0]) >= notebook_pod.UIDS
    assert "Read-only file system" in refused
