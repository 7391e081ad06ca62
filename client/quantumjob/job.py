"""Qiskit's job interface over a QuantumJob. Any process can open a job by its id."""

from __future__ import annotations

import contextlib
from typing import Final, Self

from qiskit.primitives import BasePrimitiveJob, PubResult
from qiskit.providers import JobStatus

from quantumjob import errors, models, progress
from quantumjob.client import Client
from quantumjob.results.from_service import Finished, primitive_result, pub_results, stored_results

PHASES: Final = {
    "Pending": JobStatus.QUEUED,
    "Suspended": JobStatus.QUEUED,
    "Running": JobStatus.RUNNING,
    "Storing": JobStatus.RUNNING,
    "Succeeded": JobStatus.DONE,
    "PartlyFailed": JobStatus.ERROR,
    "Failed": JobStatus.ERROR,
    "Cancelled": JobStatus.CANCELLED,
}
FINAL: Final = frozenset({JobStatus.DONE, JobStatus.ERROR, JobStatus.CANCELLED})


class Job(BasePrimitiveJob[Finished, JobStatus]):  # type: ignore[misc]  # Qiskit has no annotations
    """A job, returned by `run()` of a primitive or by `from_id`."""

    def __init__(self, client: Client, name: str, uid: str) -> None:
        super().__init__(f"{client.namespace}/{name}/{uid}")
        self._client = client
        self._result: Finished | None = None
        self.name = name
        """Name of the QuantumJob."""
        self.uid = uid

    @classmethod
    def from_id(cls, job_id: str, client: Client | None = None) -> Self:
        """Opens a job by its `job_id()`, or by the name or UID of its QuantumJob. Raises NotFound."""
        namespace, name, uid = _parts(job_id)
        client = client or Client(namespace=namespace)
        if namespace not in {None, client.namespace}:
            raise errors.NotConfigured(
                f"The job is in namespace {namespace}, and the client's is {client.namespace}: give another client."
            )
        if uid is None:
            uid = client.status(name).uid
        elif not name:
            name = next((row.name for row in client.list() if row.uid == uid), "") or client.stored(uid).name
        return cls(client, name, uid)

    def details(self) -> models.Status:
        """Returns phase, progress, reason and message. Raises NotFound where the QuantumJob is deleted."""
        found = self._client.status(self.name)
        if found.uid != self.uid:
            raise errors.NotFound(
                404, "NotFound", f"The job was deleted; {self.name} is another job with the same name."
            )
        return found

    def status(self) -> JobStatus:
        """Returns Qiskit's status; after the QuantumJob is deleted, that of its stored result."""
        try:
            return PHASES.get(self.details().phase, JobStatus.RUNNING)
        except errors.NotFound:
            stored = self._client.stored(self.uid)
            return PHASES["Cancelled" if stored.reason == "Cancelled" else stored.outcome]

    def result(self, timeout: float | None = None, *, bar: bool | None = None) -> Finished:
        """Waits at most `timeout` seconds for the job, and returns its result. Raises WaitTimeout, JobFailed.

        Ctrl-C interrupts the wait, not the job. `bar` shows a progress bar; by default in terminals and notebooks.
        """
        if self._result is None:
            self._result = primitive_result(self._finished(timeout, bar), self._client.arrays)
        return self._result

    def partial_result(self) -> dict[int, PubResult]:
        """Returns the pubs that have a result, by index, also where other pubs failed.

        While the job runs they are not verified, and without their saved arrays.
        """
        found: models.Partial | None = None
        finished = False
        with contextlib.suppress(errors.NotFound):
            finished = self.details().finished
            found = self._client.partial_result(self.name)
        if found is None or found.uid != self.uid:
            return stored_results(self._client.stored(self.uid), self._client.arrays)
        if finished:
            with contextlib.suppress(errors.NotFound):  # it may have ended without a result
                return stored_results(self._client.stored(self.uid), self._client.arrays)
        return pub_results(found.pubs)

    def cancel(self) -> bool:
        """Cancels the job; finished pubs keep their results. Returns False where it had ended. Raises NotFound."""
        try:
            if self.details().finished:
                return False
            self._client.cancel(self.name)
        except errors.Conflict:
            return False
        except errors.NotFound:
            self._client.stored(self.uid)
            return False
        return True

    def done(self) -> bool:
        return self.status() is JobStatus.DONE

    def running(self) -> bool:
        return self.status() is JobStatus.RUNNING

    def cancelled(self) -> bool:
        return self.status() is JobStatus.CANCELLED

    def in_final_state(self) -> bool:
        return self.status() in FINAL

    def __repr__(self) -> str:
        return f"<quantumjob.Job {self.job_id()}>"

    def _finished(self, timeout: float | None, bar: bool | None) -> models.Result:
        """Waits, and reads the result by the job's name, or from the history where another job has the name."""
        ended: models.Status | None = None
        found: models.Result | None = None
        with contextlib.suppress(errors.NotFound, errors.NotFinished):
            self.details()
            ended = progress.wait(self._client, self.name, timeout, bar)
            found = self._client.result(self.name)
        if found is not None and found.uid == self.uid:
            return found
        try:
            return self._client.stored(self.uid)
        except errors.NotFound:
            if ended is None or ended.uid != self.uid:
                raise
            raise errors.JobFailed(ended.reason, ended.message) from None


def _parts(job_id: str) -> tuple[str | None, str, str | None]:
    """Splits an id into namespace, name and UID. Raises ValueError."""
    match job_id.split("/"):
        case [namespace, name, uid] if models.UID.fullmatch(uid):
            return namespace, name, uid
        case [one] if models.UID.fullmatch(one):
            return None, "", one
        case [one] if one:
            return None, one, None
    raise ValueError(f"{job_id!r} is not the id of a job: give namespace/name/uid, a name or a UID.")
