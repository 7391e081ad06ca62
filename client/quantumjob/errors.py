"""Exceptions of the client.

QuantumJobError
├── NotConfigured        no service, token or namespace was found
├── Unreachable          the service does not answer
├── NotTheService        something else answers
├── WaitTimeout          the job is not finished yet
├── JobFailed            the job has ended, and a pub has no result
└── Problem              the service answered with an error (RFC 9457)
    ├── Unauthorized, Forbidden, NotFound, InvalidJob, NotVerified, Busy
    └── Conflict
        └── NotFinished
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec


class QuantumJobError(Exception):
    """Base class. Its text is a sentence with the cause and what to do."""


class NotConfigured(QuantumJobError):
    """No service, token or namespace was found; the text lists the places that were searched."""


class Unreachable(QuantumJobError):
    """The service did not answer for as long as the request was repeated."""


class NotTheService(QuantumJobError):
    """The answer is not the service's, for example a login page."""


class WaitTimeout(QuantumJobError, TimeoutError):
    """The job is not finished yet. It continues."""


class JobFailed(QuantumJobError):
    """The job has ended, and at least one pub has no result."""

    def __init__(self, reason: str, message: str, errors: Mapping[int, str] | None = None) -> None:
        self.reason = reason
        self.errors = dict(errors or {})
        """Errors by the pub's index. `Job.partial_result()` returns the results of the other pubs."""
        super().__init__(" ".join([f"{reason}: {message}", *self.errors.values()]))


class Problem(QuantumJobError):
    """The service answered with an error (RFC 9457)."""

    def __init__(
        self, status: int, reason: str, detail: str, retry_after: float | None = None, *, from_service: bool = True
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        """One of the service's closed list of reasons (docs/rest.md)."""
        self.detail = detail
        self.retry_after = retry_after
        self.from_service = from_service
        """False where a proxy in front of the service answered."""


class Unauthorized(Problem):
    """The token is missing, invalid or expired."""


class Forbidden(Problem):
    """The token's user lacks the right in this namespace."""


class NotFound(Problem):
    """The job, circuit or result does not exist."""


class Conflict(Problem):
    """The object exists already, or its state does not allow the request."""


class NotFinished(Conflict):
    """The job has no result yet."""


class InvalidJob(Problem):
    """The submission is invalid; the text names the field."""


class NotVerified(Problem):
    """The stored bytes are not those that were committed."""


class Busy(Problem):
    """The service, Kubernetes or the store is overloaded or unavailable; a repeat may succeed."""


_OF_REASON: Final[dict[str, type[Problem]]] = {"NotFinished": NotFinished, "NotVerified": NotVerified}
_OF_STATUS: Final[dict[int, type[Problem]]] = {
    400: InvalidJob,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    408: Busy,
    409: Conflict,
    411: InvalidJob,
    413: InvalidJob,
    415: InvalidJob,
    422: InvalidJob,
    429: Busy,
    502: Busy,
    503: Busy,
    504: Busy,
}


def problem(status: int, headers: Mapping[str, str], body: bytes) -> Problem:
    """Returns the exception for an error response."""
    problem = _details(headers, body)
    reason = str(problem.get("reason") or "Unknown")
    detail = str(problem.get("detail") or f"The service answered with status {status} and no explanation.")
    after = headers.get("retry-after", "")
    kind = _OF_REASON.get(reason) or _OF_STATUS.get(status, Problem)
    return kind(status, reason, detail, float(after) if after.isdecimal() else None, from_service="reason" in problem)


def _details(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    if headers.get("content-type", "").partition(";")[0] != "application/problem+json":
        return {}
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}
