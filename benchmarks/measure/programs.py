"""Measures large jobs: thousands of pubs, points or values in one QuantumJob."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks import jobs
from benchmarks.figures.programs import AllLargeJobs, LargeJobFigures
from benchmarks.inside import loops
from benchmarks.measure.bench import Bench
from benchmarks.measure.small import namespace_with_worker
from benchmarks.namespaces import BenchNamespace, ObjectTemplate, raw_template
from cluster import items, kubectl, store
from quantumjob.submission import circuits
from quantumjob_contract import keys
from quantumjob_operator.kubernetes.client import JOBS, QUANTUMJOBS

JSON = dict[str, Any]
KEY: Final = "pubs.jsonl"
DEADLINE_SECONDS: Final = 3000


@dataclass(frozen=True)
class LargeJob:
    """A kind of large job."""

    name: str
    loop: str
    """Name of the same work in `inside.loops`."""
    lines: list[JSON]
    count: int
    minimum: float
    primitive: str = "Sampler"
    parallelism: int = 1


def large_jobs(pubs: int, points: int, estimates: int) -> list[LargeJob]:
    bell = {"circuit": {"inline": loops.BELL}, "shots": loops.SHOTS}
    swept = _pub(loops.ansatz(loops.WIDTH, measured=True), points) | {"shots": loops.SHOTS}
    observed = _pub(loops.ansatz(loops.OBSERVED, measured=False), estimates)
    observed |= {"observables": [[pauli] for pauli in loops.observables()]}
    return [
        LargeJob(f"{pubs:,} Bell pubs in one job", "texts", [bell] * pubs, pubs, 0.8),
        LargeJob(f"{pubs:,} Bell pubs in two shards", "texts", [bell] * pubs, pubs, 1.5, parallelism=2),
        LargeJob(f"a sweep of {points:,} points on {loops.WIDTH} qubits", "sweep", [swept], points, 0.9),
        LargeJob(
            f"{loops.OBSERVABLES} observables at {estimates:,} points on {loops.OBSERVED} qubits",
            "estimates",
            [observed],
            estimates,
            0.9,
            "Estimator",
        ),
    ]


def _pub(circuit: Any, points: int) -> JSON:
    names = ", ".join(parameter.name for parameter in circuit.parameters)
    table = loops.values(points, circuit.num_parameters)
    return {"circuit": circuits.inline(circuits.packed(circuit)), "parameterValues": {names: table.tolist()}}


def programs(bench: Bench, pubs: int, points: int, estimates: int) -> AllLargeJobs:
    found, alone, peak = [], dict[str, float](), 0.0
    for job in large_jobs(pubs, points, estimates):
        bench.log(job.name)
        namespace = namespace_with_worker(bench.cluster)
        if job.loop not in alone:
            alone[job.loop] = _alone(namespace, job)
        seconds = _seconds(namespace, job)
        peak = max(peak, _parent_mib(namespace))
        found.append(LargeJobFigures(job.name, job.count, alone[job.loop], seconds, job.minimum))
        bench.log(f"{found[-1].ratio:.2f} of Aer alone")
        namespace.delete_all()
    return AllLargeJobs(found, peak)


def _alone(namespace: BenchNamespace, job: LargeJob) -> float:
    """Returns the seconds of the same work in a plain pod with the worker's image and resources; the worker is idle."""
    body = copy.deepcopy(raw_template(namespace).body)
    (container,) = body["spec"]["template"]["spec"]["containers"]
    container["command"] = ["python", "-c", Path(loops.__file__).read_text(), job.loop, str(job.count)]
    namespace.create(ObjectTemplate(JOBS, body), "alone")
    namespace.wait_complete(ObjectTemplate(JOBS, body), ["alone"])
    return float(json.loads(kubectl("logs", "job/alone", "-n", namespace.name)))


def _seconds(namespace: BenchNamespace, job: LargeJob) -> float:
    """Returns the seconds from create to Complete."""
    with store() as buckets:
        data = "\n".join(map(json.dumps, job.lines)).encode()
        buckets.circuits.put_once(keys.circuit(namespace.name, KEY), data)
    program = {"primitive": job.primitive, "seed": 1, "pubsFrom": {"object": {"key": KEY}}}
    spec = {"program": program, "parallelism": job.parallelism, "activeDeadlineSeconds": DEADLINE_SECONDS}
    template = ObjectTemplate(QUANTUMJOBS, jobs.bell() | {"spec": spec})
    created = namespace.create(template, "large")
    return namespace.wait_complete(template, ["large"])["large"].seconds - created


def _parent_mib(namespace: BenchNamespace) -> float:
    """Returns the peak resident MiB of any worker's parent process."""
    found = [0.0]
    for pod in items("pods", namespace.name, "quantumjobs.io/worker"):
        if pod["status"]["phase"] == "Running":
            status = kubectl("exec", pod["metadata"]["name"], "-n", namespace.name, "--", "cat", "/proc/1/status")
            found += [int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")]
    return max(found)
