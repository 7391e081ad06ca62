"""Measures one job at a time on an idle cluster: raw, dedicated, and shared without a running worker."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from benchmarks.figures.basic import Baseline
from benchmarks.figures.parts import Alone
from benchmarks.figures.timing import JobTiming
from benchmarks.measure.bench import Bench, timing, verified
from benchmarks.namespaces import BELL, DEDICATED, WAIT_SECONDS, BenchNamespace, ObjectTemplate, raw_template
from benchmarks.watcher import Completion, Key
from quantumjob_operator.model.job_template import job_name


class CompletedRun(NamedTuple):
    """A job that ran alone, and its completion."""

    timing: JobTiming
    ended: Completion


def baseline(bench: Bench, runs: int) -> Baseline:
    """Measures raw Jobs only."""
    namespace = bench.cluster.new_namespace()
    template = raw_template(namespace)
    found = [_raw(namespace, template, f"raw-{index}") for index in range(runs + 1)][1:]
    namespace.delete_all()
    return Baseline(found)


def alone(bench: Bench, runs: int, warm_up: int) -> tuple[Baseline, Alone, int]:
    """Measures the kinds alternating: A B C A B C. Also returns how many results were read back."""
    namespace = bench.cluster.new_namespace()
    template = raw_template(namespace)
    found: list[tuple[float, CompletedRun, CompletedRun]] = []
    for index in range(warm_up + runs):
        dedicated = _dedicated(namespace, f"dedicated-{index}")
        plain = _raw(namespace, template, f"raw-{index}")
        cold = _cold(bench, f"cold-{index}")
        found.append((plain, dedicated, cold))
        took = f"dedicated {dedicated.timing.seconds:.2f} s, raw {plain:.2f} s, cold {cold.timing.seconds:.2f} s"
        bench.log(f"{index + 1} of {warm_up + runs}: {took}")
    namespace.delete_all()
    plains, own, shared = zip(*found[warm_up:], strict=True)
    kinds = Alone([each.timing for each in own], [each.timing for each in shared])
    return Baseline(list(plains)), kinds, verified([each.ended for each in (*own, *shared)])


def _raw(namespace: BenchNamespace, template: ObjectTemplate, name: str) -> float:
    created = namespace.create(template, name)
    return namespace.wait_complete(template, [name])[name].seconds - created


def _dedicated(namespace: BenchNamespace, name: str) -> CompletedRun:
    created = namespace.create(DEDICATED, name)
    ended = namespace.wait_complete(DEDICATED, [name])[name]
    settle(namespace, [ended])
    job = namespace.cluster.jobs.first(_job(namespace, ended))
    return CompletedRun(replace(timing(created, ended), job_seen=job), ended)


def _cold(bench: Bench, name: str) -> CompletedRun:
    """Runs in a new namespace, without a running worker; deletes its worker afterwards."""
    namespace = bench.cluster.new_namespace()
    created = namespace.create(BELL, name)
    ended = namespace.wait_complete(BELL, [name])[name]
    namespace.delete_jobs()
    return CompletedRun(timing(created, ended), ended)


def settle(namespace: BenchNamespace, ended: list[Completion]) -> None:
    """Waits for the Jobs: a dedicated QuantumJob is complete before its pod and Job are."""
    namespace.cluster.jobs.wait([_job(namespace, each) for each in ended], WAIT_SECONDS)


def _job(namespace: BenchNamespace, ended: Completion) -> Key:
    return namespace.key(job_name(ended.item.metadata.uid))
