"""What may go wrong, each by its own type: problems that the service answers with, and what comes before and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec


class QuantumJobError(Exception):
    """Any error of this package. Its text is a sentence that says what to do."""


class NotConfigured(QuantumJobError):
    """No service, no token or no namespace was found; the text says where was looked."""


class Unreachable(QuantumJobError):
    """The service does not answer, and has not for as long as was tried."""


class NotTheService(QuantumJobError):
    """Something else answers, for example a page that asks to log in."""


class WaitTimeout(QuantumJobError, TimeoutError):
    """The job is not finished yet. It goes on: ask again."""


class JobFailed(QuantumJobError):
    """The job has ended, and not every pub has a result."""

    def __init__(self, reason: str, message: str, errors: Mapping[int, str] | None = None) -> None:
        self.reason = reason
        self.errors = dict(errors or {})
        """By the pub's index. Results of the other pubs are in `Job.partial_result()`."""
        super().__init__(" ".join([f"{reason}: {message}", *self.errors.values()]))


class Problem(QuantumJobError):
    """What the service answers (RFC 9457)."""

    def __init__(
        self, status: int, reason: str, detail: str, retry_after: float | None = None, *, told: bool = True
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        """One word of the service's closed list."""
        self.detail = detail
        self.retry_after = retry_after
        self.told = told
        """By the service itself; else by what stands before it."""


class Unauthorized(Problem):
    """The token is missing, not valid, or no longer."""


class Forbidden(Problem):
    """The token's owner may not do this here."""


class NotFound(Problem):
    """There is no such job, circuit or result."""


class Conflict(Problem):
    """It is there already, or it is not in a state for this."""


class NotFinished(Conflict):
    """The job has no result yet."""


class InvalidJob(Problem):
    """What was sent is refused; the text says which part of it."""


class NotVerified(Problem):
    """What is stored is not what was committed."""


class Busy(Problem):
    """The service, Kubernetes or the store does not serve at this moment."""


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
    """The error of an answer."""
    told = _told(headers, body)
    reason = str(told.get("reason") or "Unknown")
    detail = str(told.get("detail") or f"The service answers {status}, and does not say why.")
    after = headers.get("retry-after", "")
    kind = _OF_REASON.get(reason) or _OF_STATUS.get(status, Problem)
    return kind(status, reason, detail, float(after) if after.isdecimal() else None, told="reason" in told)


def _told(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    if headers.get("content-type", "").partition(";")[0] != "application/problem+json":
        return {}
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}
