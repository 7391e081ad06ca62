"""Creates the benchmark's namespaces and the jobs in them, waits for these, and deletes all of them at the end."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from api_client import Api
from benchmarks import jobs
from benchmarks.watcher import Completion, Key, Watcher, now
from cluster import SYSTEM, eventually, get, kubeconfig_once, kubectl
from quantumjob_operator.kubernetes.client import JOBS, PODS, QUANTUMJOBS, ResourceKind

JSON = dict[str, Any]

WAIT_SECONDS: Final = 600.0
CREATORS: Final = 8
"""Requests at a time when many are created at once."""


class ObjectTemplate(NamedTuple):
    """An object of which many are created under different names."""

    kind: ResourceKind
    body: JSON


BELL: Final = ObjectTemplate(QUANTUMJOBS, jobs.bell())
DEDICATED: Final = ObjectTemplate(QUANTUMJOBS, jobs.dedicated(jobs.bell()))


@dataclass
class Cluster:
    """One connection pool and one watch of each kind, for any number of namespaces."""

    api: Api
    run: str
    """Prefix of the name of each namespace of this run."""
    quantumjobs: Watcher
    jobs: Watcher
    namespaces: list[BenchNamespace] = field(default_factory=list)

    def new_namespace(self) -> BenchNamespace:
        """Creates a namespace, in which a pod can be created at once."""
        name = f"{self.run}-{len(self.namespaces)}"
        namespace = BenchNamespace(self, name)
        self.namespaces.append(namespace)
        kubectl("create", "namespace", name)
        eventually("the namespace has its service account", lambda: get("serviceaccounts", "default", name))
        return namespace

    def close(self) -> None:
        """Deletes all namespaces. Retries for a while: the API server may be down."""
        names = [namespace.name for namespace in self.namespaces]
        command = ("delete", "namespace", "--ignore-not-found", *names, f"--timeout={WAIT_SECONDS:.0f}s")

        def is_done() -> bool:
            with contextlib.suppress(RuntimeError):
                kubectl(*command)
                return True
            return False

        if names:
            eventually("the benchmark's namespaces are gone", is_done, WAIT_SECONDS)

    def watcher(self, kind: ResourceKind) -> Watcher:
        return self.jobs if kind is JOBS else self.quantumjobs

    def changed_jobs(self) -> tuple[int, int]:
        """Returns how many QuantumJobs have changed since the run began: its own, and those in other namespaces."""
        keys = self.quantumjobs.changed()
        own = sum(key.namespace.startswith(self.run) for key in keys)
        return own, len(keys) - own


@dataclass(frozen=True)
class BenchNamespace:
    """One namespace."""

    cluster: Cluster
    name: str

    def key(self, name: str) -> Key:
        return Key(self.name, name)

    def create(self, template: ObjectTemplate, name: str) -> float:
        """Creates one; returns the time right before the request."""
        body = jobs.named(template.body, name)
        started = now()
        self.cluster.api.request("POST", template.kind.path(self.name), body)
        return started

    def create_all(self, template: ObjectTemplate, wanted: list[str]) -> dict[str, float]:
        """Creates many at once; returns the time of each."""
        with ThreadPoolExecutor(CREATORS) as pool:
            return dict(zip(wanted, pool.map(lambda name: self.create(template, name), wanted), strict=True))

    def wait_complete(self, template: ObjectTemplate, wanted: list[str]) -> dict[str, Completion]:
        """Waits until these are complete."""
        found = self.cluster.watcher(template.kind).wait([self.key(name) for name in wanted], WAIT_SECONDS)
        return {key.name: ended for key, ended in found.items()}

    def delete_all(self) -> None:
        """Deletes all jobs of both kinds, and waits until the last pod is gone."""
        self._delete(QUANTUMJOBS)
        self.delete_jobs()

    def delete_jobs(self) -> None:
        """Deletes all Jobs, those of idle shared workers too, so that none disturbs the next measurement."""
        self._delete(JOBS)
        self._wait_gone(PODS)

    def _delete(self, kind: ResourceKind) -> None:
        """Deletes all of a kind by one request; kubectl makes one for each."""
        self.cluster.api.request("DELETE", kind.path(self.name), {"propagationPolicy": "Foreground"})
        self._wait_gone(kind)

    def _wait_gone(self, kind: ResourceKind) -> None:
        def is_gone() -> bool:
            return not self.cluster.api.ask("GET", kind.path(self.name), limit="1")["items"]

        eventually(f"the last of {kind.plural} in {self.name} is gone", is_gone, WAIT_SECONDS)


@contextlib.contextmanager
def open_cluster() -> Iterator[Cluster]:
    """Yields the cluster, and deletes every namespace that was created, also after an error."""
    api = Api(kubeconfig_once())
    run = f"quantumjob-benchmark-{secrets.token_hex(3)}"
    made = Cluster(api, run, Watcher(api, QUANTUMJOBS), Watcher(api, JOBS))
    try:
        yield made
    finally:
        made.close()


def raw_template(namespace: BenchNamespace) -> ObjectTemplate:
    """Returns the raw Job. The QuantumJob from which it is made is never created."""
    defaulted = namespace.cluster.api.ask("POST", QUANTUMJOBS.path(namespace.name), BELL.body, dryRun="All")
    return ObjectTemplate(JOBS, jobs.raw_job(defaulted, worker_image()))


def worker_image() -> str:
    """Returns the image of the installed operator's workers."""
    deployment = get("deployments", "quantumjob-operator", SYSTEM)
    if deployment is None:
        raise RuntimeError("the quickstart is not installed: hack/quickstart")
    environment = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    image: str = next(each["value"] for each in environment if each["name"] == "QUANTUMJOB_WORKER_IMAGE")
    return image
