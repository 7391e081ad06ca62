"""One job at a time, nothing else on the cluster: raw, dedicated, and shared without a worker that stands there."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from benchmarks.figures.basic import Floor
from benchmarks.figures.parts import Alone
from benchmarks.figures.timing import Single
from benchmarks.measure.bench import Bench, single, verified
from benchmarks.namespaces import BELL, DEDICATED, WAIT_SECONDS, Space, Subject, raw
from benchmarks.watcher import Ended, Key
from quantumjob_operator.model.job_template import job_name


class Lone(NamedTuple):
    """A job that was alone, and its end as the watch told of it."""

    single: Single
    ended: Ended


def floor(bench: Bench, runs: int) -> Floor:
    """Raw Jobs alone, where nothing but their time is wanted."""
    space = bench.cluster.fresh()
    subject = raw(space)
    found = [_raw(space, subject, f"raw-{index}") for index in range(runs + 1)][1:]
    space.clean()
    return Floor(found)


def alone(bench: Bench, runs: int, warm_up: int) -> tuple[Floor, Alone, int]:
    """One of each kind in turn: A B C A B C. Gives how many results were read back, too."""
    space = bench.cluster.fresh()
    subject = raw(space)
    found: list[tuple[float, Lone, Lone]] = []
    for index in range(warm_up + runs):
        dedicated = _dedicated(space, f"dedicated-{index}")
        plain = _raw(space, subject, f"raw-{index}")
        cold = _cold(bench, f"cold-{index}")
        found.append((plain, dedicated, cold))
        took = f"dedicated {dedicated.single.seconds:.2f} s, raw {plain:.2f} s, cold {cold.single.seconds:.2f} s"
        bench.say(f"{index + 1} of {warm_up + runs}: {took}")
    space.clean()
    plains, own, shared = zip(*found[warm_up:], strict=True)
    kinds = Alone([each.single for each in own], [each.single for each in shared])
    return Floor(list(plains)), kinds, verified([each.ended for each in (*own, *shared)])


def _raw(space: Space, subject: Subject, name: str) -> float:
    created = space.create(subject, name)
    return space.complete(subject, [name])[name].seconds - created


def _dedicated(space: Space, name: str) -> Lone:
    created = space.create(DEDICATED, name)
    ended = space.complete(DEDICATED, [name])[name]
    settle(space, [ended])
    job = space.cluster.jobs.first(_job(space, ended))
    return Lone(replace(single(created, ended), job_seen=job), ended)


def _cold(bench: Bench, name: str) -> Lone:
    """In a namespace where no worker can have stayed; its worker is taken away afterwards."""
    space = bench.cluster.fresh()
    created = space.create(BELL, name)
    ended = space.complete(BELL, [name])[name]
    space.dismiss()
    return Lone(single(created, ended), ended)


def settle(space: Space, ended: list[Ended]) -> None:
    """A dedicated QuantumJob is complete before Kubernetes has noticed that its pod and its Job are."""
    space.cluster.jobs.wait([_job(space, each) for each in ended], WAIT_SECONDS)


def _job(space: Space, ended: Ended) -> Key:
    return space.key(job_name(ended.item.metadata.uid))
