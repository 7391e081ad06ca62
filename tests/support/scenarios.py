"""Operators in the states from which many tests start."""

from __future__ import annotations

from typing import Any

from quantumjob_contract.keys import Owner
from quantumjob_operator.model import status
from quantumjob_operator.scheduling.assignment import Pod
from support.jobs import only, result, write_job
from support.kube import (
    RUNNING,
    FakeKube,
    another,
    job,
    pod,
    quantumjob,
)
from support.parts import Parts


def uid_of(name: str, namespace: str = "team") -> Owner:
    """Returns the key of the job of this name."""
    return Owner(namespace, f"uid-{name}")


async def small(*called: str, namespace: str = "team", **spec: Any) -> Parts:
    """Returns an operator with small jobs of these names, which are enqueued."""
    parts = Parts(FakeKube(*(another(name, namespace=namespace, **spec) for name in called)))
    await parts.settle()
    return parts


def dedicated() -> Parts:
    """Returns an operator with a dedicated job, whose worker runs."""
    parts = Parts(FakeKube(another("own", dedicated=True)))
    of = another("own")
    write_job(parts.store.pending, uid_of("own"), [[result(0)]], last=False)  # type: ignore[arg-type]
    parts.router.job(job(of), False)
    parts.router.pod(pod(of, RUNNING), False)
    return parts


def assignment_of(parts: Parts, owner: Owner) -> Any:
    """Returns the assignment of the only shard of a job."""
    assignment = parts.queue.assignment(only(owner))
    assert assignment is not None
    return assignment


async def accepted(**spec: Any) -> Parts:
    """Returns an operator with one accepted job and no worker."""
    of = quantumjob()
    of["spec"] |= spec
    parts = Parts(FakeKube(of))
    await parts.settle()
    return parts


async def assigned(**spec: Any) -> tuple[Parts, Pod]:
    """Returns an operator whose job is assigned to a shared worker, and the worker."""
    parts = await accepted(**spec)
    worker = parts.hire()
    assert await parts.ask(worker) is not None
    await parts.settle()
    return parts, worker


def failed(parts: Parts) -> dict[str, Any]:
    """Returns the condition Failed."""
    found = status.condition(parts.status(), "Failed")
    assert found is not None
    return found


def doing(parts: Parts) -> dict[str, Any]:
    """Returns the condition Reconciling."""
    found = status.condition(parts.status(), "Reconciling")
    assert found is not None
    return found
