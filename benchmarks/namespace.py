"""The benchmark's own namespace: create both kinds of job in it, wait for them, clean it, take it away."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from kubernetes import client, config

from benchmarks import jobs
from benchmarks.watching import Ended, Watching, now
from cluster import SYSTEM, get, kubeconfig_once, kubectl
from quantumjob_contract import names
from quantumjob_operator.children import job_name

JSON = dict[str, Any]

QUANTUMJOBS: Final = {"group": names.GROUP, "version": names.VERSION, "plural": names.PLURAL}
JOBS: Final = {"group": "batch", "version": "v1", "plural": "jobs"}
WAIT_SECONDS: Final = 600.0
CREATORS: Final = 8
"""Requests under way when many are created at once."""


class Subject(Protocol):
    """One of the two kinds that are compared."""

    title: str
    short: str

    def create(self, name: str) -> float:
        """Create one; gives the time right before the request."""

    def complete(self, names: list[str]) -> dict[str, Ended]:
        """Wait until these are complete."""

    def settle(self, names: list[str]) -> None:
        """Wait until nothing more happens with these, so that they disturb nothing measured after them."""


@dataclass
class RawJobs:
    """Plain batch/v1 Jobs: the floor."""

    api: Any
    namespace: str
    body: JSON
    watching: Watching
    title: str = "raw Job"
    short: str = "raw"

    def create(self, name: str) -> float:
        body = jobs.named(self.body, name)
        started = now()
        self.api.create_namespaced_custom_object(**JOBS, namespace=self.namespace, body=body)
        return started

    def complete(self, names: list[str]) -> dict[str, Ended]:
        self.watching.wait(names, WAIT_SECONDS)
        return {name: self.watching.ended(name) for name in names}

    def settle(self, names: list[str]) -> None:
        self.watching.wait(names, WAIT_SECONDS)


@dataclass
class QuantumJobs:
    """The Bell job of the examples."""

    api: Any
    namespace: str
    example: JSON
    watching: Watching
    children: Watching
    title: str = "QuantumJob"
    short: str = "qj"

    def create(self, name: str) -> float:
        body = jobs.named(self.example, name)
        started = now()
        self.api.create_namespaced_custom_object(**QUANTUMJOBS, namespace=self.namespace, body=body)
        return started

    def complete(self, names: list[str]) -> dict[str, Ended]:
        self.watching.wait(names, WAIT_SECONDS)
        return {name: self.watching.ended(name) for name in names}

    def child(self, name: str) -> str:
        return job_name(self.watching.ended(name).object["metadata"]["uid"])

    def settle(self, names: list[str]) -> None:
        """A QuantumJob is complete before Kubernetes has noticed that its pod and its Job are."""
        self.watching.wait(names, WAIT_SECONDS)
        self.children.wait([self.child(name) for name in names], WAIT_SECONDS)


@dataclass
class Namespace:
    name: str
    quantumjobs: QuantumJobs
    raw: RawJobs
    others: Watching
    """QuantumJobs in all other namespaces: the operator works for these too."""

    def clean(self) -> None:
        """Delete all jobs of both kinds, and wait until the last pod is gone."""
        timeout = f"--timeout={WAIT_SECONDS:.0f}s"
        kubectl("delete", names.PLURAL, "--all", "-n", self.name, timeout)
        kubectl("delete", "jobs", "--all", "-n", self.name, "--cascade=foreground", timeout)
        kubectl("wait", "--for=delete", "pods", "--all", "-n", self.name, timeout)


def create_all(subject: Subject, wanted: list[str]) -> dict[str, float]:
    """Create many at once; gives the time of each."""
    with ThreadPoolExecutor(CREATORS) as pool:
        return dict(zip(wanted, pool.map(subject.create, wanted), strict=True))


@contextlib.contextmanager
def namespace() -> Iterator[Namespace]:
    """A new namespace, which is deleted at the end, also after an error."""
    config.load_kube_config(kubeconfig_once())
    api = client.CustomObjectsApi()
    name = f"quantumjob-benchmark-{secrets.token_hex(3)}"
    kubectl("create", "namespace", name)
    try:
        example = jobs.bell()
        defaulted = api.create_namespaced_custom_object(**QUANTUMJOBS, namespace=name, body=example, dry_run="All")
        watching = Watching(partial(api.list_namespaced_custom_object, **QUANTUMJOBS, namespace=name))
        children = Watching(partial(api.list_namespaced_custom_object, **JOBS, namespace=name))
        elsewhere = partial(api.list_cluster_custom_object, field_selector=f"metadata.namespace!={name}")
        yield Namespace(
            name,
            QuantumJobs(api, name, example, watching, children),
            RawJobs(api, name, jobs.raw_job(defaulted, worker_image()), children),
            Watching(partial(elsewhere, **QUANTUMJOBS)),
        )
    finally:
        kubectl("delete", "namespace", name, f"--timeout={WAIT_SECONDS:.0f}s")


def worker_image() -> str:
    """The image that the installed operator starts workers with."""
    deployment = get("deployment", "quantumjob-operator", SYSTEM)
    if deployment is None:
        raise RuntimeError("the quickstart is not installed: hack/quickstart")
    environment = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    image: str = next(each["value"] for each in environment if each["name"] == "QUANTUMJOB_WORKER_IMAGE")
    return image
