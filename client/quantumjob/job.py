"""A job as Qiskit's programs hold one; it lives in the cluster, and any process may take it up by its id."""

from __future__ import annotations

import contextlib
import re
from typing import Final, Self

from qiskit.primitives import BasePrimitiveJob, PubResult
from qiskit.providers import JobStatus

from quantumjob import errors, models, progress
from quantumjob.client import Client
from quantumjob.results.from_service import Finished, primitive_result, pub_results, stored_results

UID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
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
    """Made by `run()` of a primitive, or by `from_id`."""

    def __init__(self, client: Client, name: str, uid: str) -> None:
        super().__init__(f"{client.namespace}/{name}/{uid}")
        self._client = client
        self._result: Finished | None = None
        self.name = name
        """Of the QuantumJob."""
        self.uid = uid

    @classmethod
    def from_id(cls, job_id: str, client: Client | None = None) -> Self:
        """`job_id` is what `job_id()` gave, the QuantumJob's name, or its UID. Raises NotFound."""
        namespace, name, uid = _parts(job_id)
        client = client or Client(namespace=namespace)
        if namespace not in {None, client.namespace}:
            raise errors.NotConfigured(f"The job is in namespace {namespace}, the client's is {client.namespace}.")
        if uid is None:
            uid = client.status(name).uid
        elif not name:
            name = next((row.name for row in client.list() if row.uid == uid), "") or client.stored(uid).name
        return cls(client, name, uid)

    def details(self) -> models.Status:
        """All that the service tells of it. Raises NotFound where the QuantumJob is gone."""
        found = self._client.status(self.name)
        if found.uid != self.uid:
            raise errors.NotFound(404, "NotFound", f"{self.name} is another job by now.")
        return found

    def status(self) -> JobStatus:
        """Where it is; that of a job whose QuantumJob is gone is taken from its stored result."""
        try:
            return PHASES.get(self.details().phase, JobStatus.RUNNING)
        except errors.NotFound:
            stored = self._client.stored(self.uid)
            return PHASES["Cancelled" if stored.reason == "Cancelled" else stored.outcome]

    def result(self, timeout: float | None = None, *, bar: bool | None = None) -> Finished:
        """Wait for it, at most for these seconds, and read it. Raises WaitTimeout, JobFailed.

        To interrupt it costs nothing: the job goes on. `bar` shows progress; left out, it is shown to people.
        """
        if self._result is None:
            self._result = primitive_result(self._finished(timeout, bar), self._client.arrays)
        return self._result

    def partial_result(self) -> dict[int, PubResult]:
        """The pubs that have a result, by their index: of a finished job all of them, whichever others failed.

        While it runs they are those that are done so far, not verified yet, and without the arrays that they save.
        """
        found: models.Partial | None = None
        finished = False
        with contextlib.suppress(errors.NotFound):
            finished = self.details().finished
            found = self._client.partial_result(self.name)
        if found is None or found.uid != self.uid:
            return stored_results(self._client.stored(self.uid), self._client.arrays)
        if finished:
            with contextlib.suppress(errors.NotFound):  # it may have ended without any
                return stored_results(self._client.stored(self.uid), self._client.arrays)
        return pub_results(found.pubs)

    def cancel(self) -> bool:
        """Pubs that are done keep their results. False where it had ended. Raises NotFound where nothing is left."""
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
        """By the name, as long as it is this job's; else from the history."""
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
    """Namespace, name and UID, as far as the id has them. Raises ValueError."""
    match job_id.split("/"):
        case [namespace, name, uid] if UID.fullmatch(uid):
            return namespace, name, uid
        case [one] if UID.fullmatch(one):
            return None, "", one
        case [one] if one:
            return None, one, None
    raise ValueError(f"Not the id of a job: {job_id!r}.")
