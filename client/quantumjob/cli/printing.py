"""Prints responses of the service as a table, as JSON or as names."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from quantumjob import errors, models
from quantumjob.cli import terminal
from quantumjob.cli.terminal import Output
from quantumjob.client import Client

STATUS: Final = ("NAME", "PHASE", "PROGRESS", "REASON", "AGE")


def status(job: models.Status, output: Output) -> None:
    """Prints a job; the table includes the message of a failed or suspended one."""
    listed(output, job, STATUS, [(job.name, job.phase, job.progress, job.reason, terminal.age(job.created))])
    if output is Output.TABLE and job.phase in {"Failed", "PartlyFailed", "Suspended"} and job.message:
        terminal.line(job.message)


def watched(job: models.Status, output: Output) -> None:
    """Prints a job in one line."""
    if output is Output.JSON:
        sys.stdout.write(msgspec.json.encode(job).decode() + "\n")
    elif output is Output.NAME:
        terminal.line(job.name)
    else:
        terminal.line(f"{job.name}  {job.phase:<12} {job.progress:<8} {job.message}".rstrip())
    sys.stdout.flush()


def listed(output: Output, found: Any, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints `found` as JSON, the first column, or the table."""
    match output:
        case Output.JSON:
            terminal.json(found)
        case Output.NAME:
            for row in rows:
                terminal.line(str(row[0]))
        case Output.TABLE:
            terminal.table(heads, rows)


def result(client: Client, name: str, *, partial: bool) -> models.Result | models.Partial:
    """Returns a result by the job's name, or from the history by its UID. Raises QuantumJobError."""
    if models.UID.fullmatch(name):
        return client.stored(name)
    if partial:
        return client.partial_result(name)
    try:
        return client.result(name)
    except errors.NotFound as missing:
        if missing.reason == "NoResult":
            job = client.status(name)
            raise errors.JobFailed(job.reason, job.message) from None
        raise errors.NotFound(
            404,
            missing.reason,
            f"{missing.detail} If the job was deleted, pass its UID from `quantumjob history`.",
        ) from None
