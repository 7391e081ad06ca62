"""Exit codes, which scripts go by. Click's own are among them: 2 for a command that cannot be read."""

from __future__ import annotations

from enum import IntEnum

from quantumjob import errors, models


class CommandExit(IntEnum):
    """How a command has ended."""

    DONE = 0
    JOB_FAILED = 1
    """The job has ended, and not every pub has a result. The command itself did its work."""
    USAGE = 2
    """The command, or a file that it names, cannot be read."""
    NOT_FOUND = 3
    NOT_ALLOWED = 4
    """No token, none that is valid, or one without the right; no URL, a bad one, or a CA file that cannot be read."""
    REFUSED = 5
    """What was sent is not accepted, or the job is not in a state for it."""
    UNAVAILABLE = 6
    """The service, Kubernetes or the store does not serve: try again later."""
    NOT_FINISHED = 7
    """The time is over, the job goes on."""
    DEFECT = 70
    """Something that no code here expected. It says nothing of the job."""
    INTERRUPTED = 130


def of_error(error: errors.QuantumJobError) -> CommandExit:
    match error:
        case errors.NotFinished() | errors.WaitTimeout():
            return CommandExit.NOT_FINISHED
        case errors.NotFound():
            return CommandExit.NOT_FOUND
        case errors.Unauthorized() | errors.Forbidden() | errors.NotConfigured():
            return CommandExit.NOT_ALLOWED
        case errors.InvalidJob() | errors.Conflict():
            return CommandExit.REFUSED
        case errors.JobFailed():
            return CommandExit.JOB_FAILED
        case _:
            return CommandExit.UNAVAILABLE


def of_job(job: models.Status) -> CommandExit:
    """Of one that is finished."""
    return CommandExit.DONE if job.phase == "Succeeded" else CommandExit.JOB_FAILED
