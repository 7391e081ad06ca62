"""The client on a real Kubernetes: Qiskit programs, jobs resumed in another process, the command line."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from namespaces import BELL, ENDLESS, Namespace, long_pubs, pub
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.providers import JobStatus
from qiskit.quantum_info import SparsePauliOp
from qiskit_aer.primitives import EstimatorV2, SamplerV2
from rest import SERVICE, account, authority, connected
from scipy.optimize import minimize

import cluster
from quantumjob import Client, Estimator, Job, JobFailed, Sampler, errors
from quantumjob.rest import service_account
from quantumjob.rest.connection import find

JSON = dict[str, Any]
PAGE = Path(__file__).parents[2] / "docs/client.md"
STATEVECTOR = {"backend_options": {"method": "statevector"}}
RESUME = """
import sys
from quantumjob import Job
bits = Job.from_id(sys.argv[1]).result(60)[0].data.meas
print(bits.array.tobytes().hex())
"""
WAIT = """
import signal, sys
from quantumjob import Job
signal.signal(signal.SIGINT, signal.default_int_handler)
job = Job.from_id(sys.argv[1])
try:
    print("waiting", flush=True)
    job.result()
except KeyboardInterrupt:
    print("interrupted", job.in_final_state(), flush=True)
print(job.result()[0].data.c.num_shots)
"""
"""Its parent may ignore SIGINT, as a shell does for background jobs, and the process would inherit that."""
Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def url() -> Iterator[str]:
    with connected() as found:
        yield found


@pytest.fixture
def token(namespace: Namespace) -> str:
    return account(namespace.name, "scientist", "edit")


@pytest.fixture
def client(url: str, namespace: Namespace, token: str) -> Iterator[Client]:
    with Client(url, token=token, namespace=namespace.name, ca=authority()) as opened:
        yield opened


@pytest.fixture
def environment(url: str, namespace: Namespace, token: str, tmp_path: Path) -> dict[str, str]:
    """The environment of a user's shell."""
    (tmp_path / "ca.crt").write_text(authority())
    (tmp_path / "token").write_text(token)
    (tmp_path / "kubectl-quantumjob").write_text(f'#!/bin/sh\nexec {sys.executable} -m quantumjob "$@"\n')
    (tmp_path / "kubectl-quantumjob").chmod(0o755)
    return os.environ | {
        "QUANTUMJOB_URL": url,
        "QUANTUMJOB_CA": str(tmp_path / "ca.crt"),
        "QUANTUMJOB_TOKEN_FILE": str(tmp_path / "token"),
        "QUANTUMJOB_NAMESPACE": namespace.name,
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
    }


@pytest.fixture
def shell(environment: dict[str, str]) -> Shell:
    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    return run


def bell() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


def test_a_qiskit_program_runs_with_another_sampler(client: Client) -> None:
    ghz = QuantumCircuit(10)
    ghz.h(0)
    for qubit in range(9):
        ghz.cx(qubit, qubit + 1)
    ghz.measure_all()
    found = [
        sampler.run([bell(), ghz], shots=500).result()
        for sampler in (Sampler(client, seed=11), SamplerV2(seed=11, options=STATEVECTOR))
    ]
    for ours, theirs in zip(*found, strict=True):
        assert np.array_equal(ours.data.meas.array, theirs.data.meas.array)
        assert ours.data.meas.get_counts() == theirs.data.meas.get_counts()


def test_a_sweep_and_an_estimator_equal_aers(client: Client) -> None:
    angles = ParameterVector("t", 2)
    circuit = QuantumCircuit(2)
    circuit.ry(angles[0], 0)
    circuit.cx(0, 1)
    circuit.rz(angles[1], 1)
    values = np.linspace(0, 3, 12).reshape(2, 3, 2)
    measured = circuit.measure_all(inplace=False)
    ours = Sampler(client, seed=3).run([(measured, values)], shots=200).result()[0]
    theirs = SamplerV2(seed=3, options=STATEVECTOR).run([(measured, values)], shots=200).result()[0]
    assert np.array_equal(ours.data.meas.array, theirs.data.meas.array)
    pub = (circuit, [["ZZ"], [{"XX": 0.5, "IZ": 2.0}]], values[0])
    estimated = Estimator(client).run([pub]).result()[0]
    exact = EstimatorV2(options=STATEVECTOR).run([pub]).result()[0]
    assert estimated.data.evs.shape == exact.data.evs.shape == (2, 3)
    assert np.allclose(estimated.data.evs, exact.data.evs, atol=1e-12)


def test_single_precision_simulates_one_more_qubit(client: Client) -> None:
    """26 qubits take 512 MiB of a worker's 1 GiB. The circuit and its inverse give zeros, and entangle in between."""
    rng = np.random.default_rng(26)
    there = QuantumCircuit(26)
    for _ in range(3):
        for qubit in range(26):
            there.u(*map(float, rng.uniform(0, 3, 3)), qubit)
        order = [int(qubit) for qubit in rng.permutation(26)]
        for pair in zip(order[::2], order[1::2], strict=True):
            there.cx(*pair)
    mirror = there.compose(there.inverse())
    mirror.measure_all()
    found = Sampler(client, spec={"backend": {"precision": "single"}}).run([mirror], shots=300).result()[0]
    assert found.data.meas.get_counts() == {"0" * 26: 300}
    about = found.metadata["simulator_metadata"]
    assert (about["engine"].split()[0], about["precision"]) == ("qsim", "single")


def test_vqe_finds_the_ground_state(client: Client) -> None:
    """As the tutorials write it: one job for each step."""
    hamiltonian = SparsePauliOp(["ZZ", "XI", "IX"], [1.0, 0.5, 0.5])
    angles = ParameterVector("t", 4)
    ansatz = QuantumCircuit(2)
    for qubit in (0, 1):
        ansatz.ry(angles[qubit], qubit)
    ansatz.cx(0, 1)
    for qubit in (0, 1):
        ansatz.ry(angles[2 + qubit], qubit)
    estimator = Estimator(client)

    def energy(values: Any) -> float:
        return float(estimator.run([(ansatz, hamiltonian, values)]).result()[0].data.evs)

    found = minimize(energy, np.full(4, 0.3), method="COBYLA", options={"maxiter": 80})
    assert abs(found.fun - np.linalg.eigvalsh(hamiltonian.to_matrix())[0]) < 0.01


def test_a_job_is_resumed_in_another_process_and_after_its_deletion(
    client: Client, namespace: Namespace, shell: Shell
) -> None:
    job = Sampler(client).run([bell()], name="mine")
    bits = job.result(60)[0].data.meas.array.tobytes().hex()
    assert shell(sys.executable, "-c", RESUME, job.job_id()).stdout.strip() == bits
    assert namespace.get("mine")["metadata"]["uid"] == job.uid
    client.delete("mine")
    again = shell(sys.executable, "-c", RESUME, job.job_id())
    assert (again.stdout.strip(), again.stderr) == (bits, "")
    assert job.status() is JobStatus.DONE
    assert [row.uid for row in client.history()] == [job.uid]


def test_a_job_of_kubectl_is_read(client: Client, namespace: Namespace) -> None:
    namespace.apply("applied", pub("a"), pub("b"))
    found = Job.from_id("applied", client).result(60)
    assert [bits.data.c.num_shots for bits in found] == [1024, 1024]


def test_a_job_is_cancelled(client: Client, namespace: Namespace) -> None:
    namespace.apply("long", pub("a", ENDLESS))
    job = Job.from_id("long", client)
    assert not job.in_final_state()
    assert job.cancel()
    with pytest.raises(JobFailed, match="Cancelled"):
        job.result(60)
    assert job.cancelled()
    assert not job.cancel()


@pytest.mark.disruptive
def test_a_wait_outlives_the_service(namespace: Namespace, token: str) -> None:
    """The service's pod is replaced while the client waits, and its connection is cut."""
    ended: list[str] = []
    with connected() as url:
        port = url.rpartition(":")[2]
        client = Client(url, token=token, namespace=namespace.name, ca=authority())
        namespace.apply("long", pub("a", ENDLESS))
        waiting = threading.Thread(target=lambda: ended.append(client.wait("long", 120).phase))
        waiting.start()
    cluster.kubectl("rollout", "restart", f"deployment/{SERVICE}", "-n", cluster.SYSTEM)
    cluster.kubectl("rollout", "status", f"deployment/{SERVICE}", "-n", cluster.SYSTEM, "--timeout=120s")
    namespace.cancel("long")
    kubectl = ["kubectl", "--kubeconfig", cluster.kubeconfig_once()]
    command = [*kubectl, "port-forward", "-n", cluster.SYSTEM, f"service/{SERVICE}", f"{port}:443"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as again:
        waiting.join(120)
        again.terminate()
    client.close()
    assert ended == ["Cancelled"]


def waiting_process(environment: dict[str, str], name: str) -> subprocess.Popen[str]:
    """Starts a process that is about to wait for the job."""
    process = subprocess.Popen([sys.executable, "-c", WAIT, name], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "waiting\n"
    return process


def test_an_interrupted_wait_continues(environment: dict[str, str], namespace: Namespace) -> None:
    """As by the stop button of a notebook: the job goes on, and the same handle waits again."""
    namespace.apply("long", *long_pubs(4))
    process = waiting_process(environment, "long")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=120)
    assert (out, process.returncode) == ("interrupted False\n1024\n", 0)
    assert [job["metadata"]["name"] for job in cluster.items("quantumjobs", namespace.name)] == ["long"]


def test_a_wait_outlives_a_suspended_process(environment: dict[str, str], namespace: Namespace) -> None:
    """The process is stopped while the job ends."""
    namespace.apply("long", *long_pubs(4))
    process = waiting_process(environment, "long")
    process.send_signal(signal.SIGSTOP)
    namespace.finished("long")
    process.send_signal(signal.SIGCONT)
    out, _ = process.communicate(timeout=120)
    assert (out, process.returncode) == ("1024\n", 0)


def test_three_submissions_with_one_key_make_one_job(shell: Shell, namespace: Namespace, tmp_path: Path) -> None:
    (tmp_path / "bell.qasm").write_text(BELL)
    submit = ("quantumjob", "submit", str(tmp_path / "bell.qasm"), "--key", "once", "-o", "name")
    names = {shell("kubectl", *submit).stdout for _ in range(3)}
    assert [f"{job['metadata']['name']}\n" for job in cluster.items("quantumjobs", namespace.name)] == list(names)


def test_the_command_line(shell: Shell, namespace: Namespace, tmp_path: Path) -> None:
    (tmp_path / "bell.qasm").write_text(BELL)
    (tmp_path / "bad.qasm").write_text("OPENQASM 3.0;\nbit c\n")

    def quantumjob(*arguments: str, code: int = 0) -> str:
        done = shell(sys.executable, "-m", "quantumjob", *arguments)
        assert done.returncode == code, done.stderr
        return done.stdout if code in {0, 1} else done.stderr

    quantumjob("submit", str(tmp_path / "bell.qasm"), "--name", "bell", "--shots", "100", "--wait")
    counts = json.loads(quantumjob("result", "bell", "-o", "json"))["pubs"][0]["data"]["c"]["counts"]
    assert sum(counts.values()) == 100
    assert "100 shots" in quantumjob("result", "bell", "--histogram")
    assert quantumjob("list", "-o", "name") == "bell\n"
    assert "Succeeded" in quantumjob("watch", "bell")
    assert "Succeeded" in quantumjob("status", "bell")
    assert quantumjob("upload", str(tmp_path / "bell.qasm")).count("sha256/") == 1
    uid = namespace.get("bell")["metadata"]["uid"]
    namespace.delete("bell")
    assert uid in quantumjob("history")
    assert json.loads(quantumjob("result", uid, "-o", "json"))["uid"] == uid
    assert "history" in quantumjob("result", "bell", code=3)
    assert "lacks this right in the namespace" in quantumjob("list", "-n", "default", code=4)
    assert "Failed" in quantumjob("submit", str(tmp_path / "bad.qasm"), "--name", "bad", "--wait", code=1)
    assert "SyntaxError" in quantumjob("result", "bad", code=1)


def test_the_programs_of_the_client_page_run(shell: Shell) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    done = shell(sys.executable, "-c", "\n".join(blocks))
    assert (done.returncode, done.stderr) == (0, "")
    assert "JobStatus.DONE 1000" in done.stdout


def test_the_services_authority_is_found_in_a_pod(
    namespace: Namespace, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the files of the pod's service account."""
    host, port = (
        cluster.kubectl("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}")
        .removeprefix("https://")
        .rsplit(":", 1)
    )
    found = cluster.get("configmaps", "kube-root-ca.crt", namespace.name)
    assert found is not None
    (tmp_path / "ca.crt").write_text(found["data"]["ca.crt"])
    (tmp_path / "token").write_text(token)
    (tmp_path / "namespace").write_text(namespace.name)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    where = find(environment={"KUBECONFIG": "none"}, account=tmp_path)
    assert where == (service_account.SERVICE, namespace.name, where.token, authority())
    assert where.token() == token


def test_an_invalid_token_and_missing_rights(url: str, namespace: Namespace) -> None:
    for given, kind in (("x.y.z", errors.Unauthorized), (account(namespace.name, "none", None), errors.Forbidden)):
        with Client(url, token=given, namespace=namespace.name, ca=authority()) as stranger, pytest.raises(kind):
            stranger.list()
