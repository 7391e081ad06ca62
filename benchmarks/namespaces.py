"""The cluster as the measurements see it, and the benchmark's own namespaces: made, cleaned, taken away."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from api_client import Api
from benchmarks import jobs
from benchmarks.watcher import Ended, Key, Watching, now
from cluster import SYSTEM, eventually, get, kubeconfig_once, kubectl
from quantumjob_operator.kubernetes.client import JOBS, PODS, QUANTUMJOBS, Kind

JSON = dict[str, Any]

WAIT_SECONDS: Final = 600.0
CREATORS: Final = 8
"""Requests under way when many are created at once."""


class Subject(NamedTuple):
    """Something of which many are created, under names of their own."""

    kind: Kind
    body: JSON


BELL: Final = Subject(QUANTUMJOBS, jobs.bell())
DEDICATED: Final = Subject(QUANTUMJOBS, jobs.dedicated(jobs.bell()))


@dataclass
class Cluster:
    """One connection pool and one watch of each kind, whatever the number of namespaces."""

    api: Api
    run: str
    """Begins the name of each namespace of this run."""
    quantumjobs: Watching
    jobs: Watching
    spaces: list[Space] = field(default_factory=list)

    def fresh(self) -> Space:
        """A new namespace, in which a pod can be created at once."""
        name = f"{self.run}-{len(self.spaces)}"
        space = Space(self, name)
        self.spaces.append(space)
        kubectl("create", "namespace", name)
        eventually("it has its service account", lambda: get("serviceaccount", "default", name))
        return space

    def close(self) -> None:
        """Delete them all. Tried for a while: an API server that is away is what may have brought us here."""
        everything = [space.name for space in self.spaces]
        command = ("delete", "namespace", "--ignore-not-found", *everything, f"--timeout={WAIT_SECONDS:.0f}s")

        def is_done() -> bool:
            with contextlib.suppress(RuntimeError):
                kubectl(*command)
                return True
            return False

        if everything:
            eventually("the benchmark's namespaces are gone", is_done, WAIT_SECONDS)

    def watching(self, kind: Kind) -> Watching:
        return self.jobs if kind is JOBS else self.quantumjobs

    def own(self) -> tuple[int, int]:
        """QuantumJobs that have changed since the run began: its own, and those of others."""
        keys = self.quantumjobs.changed()
        own = sum(key.namespace.startswith(self.run) for key in keys)
        return own, len(keys) - own


@dataclass(frozen=True)
class Space:
    """One namespace."""

    cluster: Cluster
    name: str

    def key(self, name: str) -> Key:
        return Key(self.name, name)

    def create(self, subject: Subject, name: str) -> float:
        """Create one; gives the time right before the request."""
        body = jobs.named(subject.body, name)
        started = now()
        self.cluster.api.request("POST", subject.kind.path(self.name), body)
        return started

    def create_all(self, subject: Subject, wanted: list[str]) -> dict[str, float]:
        """Create many at once; gives the time of each."""
        with ThreadPoolExecutor(CREATORS) as pool:
            return dict(zip(wanted, pool.map(lambda name: self.create(subject, name), wanted), strict=True))

    def complete(self, subject: Subject, wanted: list[str]) -> dict[str, Ended]:
        """Wait until these are complete."""
        found = self.cluster.watching(subject.kind).wait([self.key(name) for name in wanted], WAIT_SECONDS)
        return {key.name: ended for key, ended in found.items()}

    def clean(self) -> None:
        """Delete all jobs of both kinds, and wait until the last pod is gone."""
        self._delete(QUANTUMJOBS)
        self.dismiss()

    def dismiss(self) -> None:
        """Delete all Jobs, those of standing workers too, so that none disturbs what is measured after this."""
        self._delete(JOBS)
        self._gone(PODS)

    def _delete(self, kind: Kind) -> None:
        """By one request, where kubectl makes one for each."""
        self.cluster.api.request("DELETE", kind.path(self.name), {"propagationPolicy": "Foreground"})
        self._gone(kind)

    def _gone(self, kind: Kind) -> None:
        def is_gone() -> bool:
            return not self.cluster.api.ask("GET", kind.path(self.name), limit="1")["items"]

        eventually(f"the last of {kind.plural} in {self.name} is gone", is_gone, WAIT_SECONDS)


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """The cluster; every namespace that was made is deleted at the end, also after an error."""
    api = Api(kubeconfig_once())
    run = f"quantumjob-benchmark-{secrets.token_hex(3)}"
    made = Cluster(api, run, Watching(api, QUANTUMJOBS), Watching(api, JOBS))
    try:
        yield made
    finally:
        made.close()


def raw(space: Space) -> Subject:
    """The raw Job. The QuantumJob that it is made from is never created."""
    defaulted = space.cluster.api.ask("POST", QUANTUMJOBS.path(space.name), BELL.body, dryRun="All")
    return Subject(JOBS, jobs.raw_job(defaulted, worker_image()))


def worker_image() -> str:
    """The image that the installed operator starts workers with."""
    deployment = get("deployment", "quantumjob-operator", SYSTEM)
    if deployment is None:
        raise RuntimeError("the quickstart is not installed: hack/quickstart")
    environment = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    image: str = next(each["value"] for each in environment if each["name"] == "QUANTUMJOB_WORKER_IMAGE")
    return image
