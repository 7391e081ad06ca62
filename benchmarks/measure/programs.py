"""Large jobs: thousands of pubs, of points, of values, in one QuantumJob."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks import jobs
from benchmarks.figures.programs import Program, Programs
from benchmarks.inside import loops
from benchmarks.measure.bench import Bench
from benchmarks.measure.small import with_worker
from benchmarks.namespaces import Space, Subject, raw
from cluster import items, kubectl, store
from quantumjob import circuits
from quantumjob_contract import keys
from quantumjob_operator.kubernetes.client import JOBS, QUANTUMJOBS

JSON = dict[str, Any]
KEY: Final = "pubs.jsonl"
DEADLINE: Final = 3000


@dataclass(frozen=True)
class Kind:
    """A kind of large job."""

    name: str
    bare: str
    """What `inside.loops` calls it."""
    lines: list[JSON]
    count: int
    least: float
    primitive: str = "Sampler"
    parallelism: int = 1


def kinds(pubs: int, points: int, estimates: int) -> list[Kind]:
    bell = {"circuit": {"inline": loops.BELL}, "shots": loops.SHOTS}
    swept = _pub(loops.ansatz(loops.WIDTH, measured=True), points) | {"shots": loops.SHOTS}
    observed = _pub(loops.ansatz(loops.OBSERVED, measured=False), estimates)
    observed |= {"observables": [[pauli] for pauli in loops.observables()]}
    return [
        Kind(f"{pubs:,} Bell pubs in one job", "texts", [bell] * pubs, pubs, 0.8),
        Kind(f"{pubs:,} Bell pubs in two shards", "texts", [bell] * pubs, pubs, 1.5, parallelism=2),
        Kind(f"a sweep of {points:,} points on {loops.WIDTH} qubits", "sweep", [swept], points, 0.9),
        Kind(
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


def programs(bench: Bench, pubs: int, points: int, estimates: int) -> Programs:
    found, bare, peak = [], dict[str, float](), 0.0
    for kind in kinds(pubs, points, estimates):
        bench.say(kind.name)
        space = with_worker(bench.cluster)
        if kind.bare not in bare:
            bare[kind.bare] = _alone(space, kind)
        ours = _job(space, kind)
        peak = max(peak, _parent_mib(space))
        found.append(Program(kind.name, kind.count, bare[kind.bare], ours, kind.least))
        bench.say(f"{found[-1].ratio:.2f} of Aer alone")
        space.clean()
    return Programs(found, peak)


def _alone(space: Space, kind: Kind) -> float:
    """Seconds of the same in a plain pod with the worker's image and resources. The worker stands idle beside it."""
    body = copy.deepcopy(raw(space).body)
    (container,) = body["spec"]["template"]["spec"]["containers"]
    container["command"] = ["python", "-c", Path(loops.__file__).read_text(), kind.bare, str(kind.count)]
    space.create(Subject(JOBS, body), "alone")
    space.complete(Subject(JOBS, body), ["alone"])
    return float(json.loads(kubectl("logs", "job/alone", "-n", space.name)))


def _job(space: Space, kind: Kind) -> float:
    """Seconds from create to Complete."""
    with store() as buckets:
        data = "\n".join(map(json.dumps, kind.lines)).encode()
        buckets.circuits.put_once(keys.circuit(space.name, KEY), data)
    program = {"primitive": kind.primitive, "seed": 1, "pubsFrom": {"object": {"key": KEY}}}
    spec = {"program": program, "parallelism": kind.parallelism, "activeDeadlineSeconds": DEADLINE}
    subject = Subject(QUANTUMJOBS, jobs.bell() | {"spec": spec})
    created = space.create(subject, "large")
    return space.complete(subject, ["large"])["large"].seconds - created


def _parent_mib(space: Space) -> float:
    """The most that any worker's first process has had resident."""
    found = [0.0]
    for pod in items("pods", space.name, "quantumjobs.io/worker"):
        if pod["status"]["phase"] == "Running":
            told = kubectl("exec", pod["metadata"]["name"], "-n", space.name, "--", "cat", "/proc/1/status")
            found += [int(line.split()[1]) / 1024 for line in told.splitlines() if line.startswith("VmHWM")]
    return max(found)
