"""Exit codes of the command line, for scripts. 2 is Click's own for a usage error."""

from __future__ import annotations

from enum import IntEnum

from quantumjob import errors, models


class CommandExit(IntEnum):
    """Exit code of a command."""

    DONE = 0
    JOB_FAILED = 1
    """The command succeeded; the job has ended, and a pub has no result."""
    USAGE = 2
    """The command is invalid, or a file that it names cannot be read."""
    NOT_FOUND = 3
    NOT_ALLOWED = 4
    """The token is missing, invalid or lacks the right; or the URL or CA file is missing or invalid."""
    REFUSED = 5
    """The submission is invalid, or the job's state does not allow the request."""
    UNAVAILABLE = 6
    """The service, Kubernetes or the store is unavailable: try again later."""
    NOT_FINISHED = 7
    """The timeout has passed; the job continues."""
    DEFECT = 70
    """A defect of the command line. It says nothing about the job."""
    INTERRUPTED = 130


def of_error(error: errors.QuantumJobError) -> CommandExit:
    """Returns the exit code of an exception."""
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
    """Returns the exit code of a finished job."""
    return CommandExit.DONE if job.phase == "Succeeded" else CommandExit.JOB_FAILED
