"""Every error that the service answers with: problem details (RFC 9457) of a closed list of reasons."""

from __future__ import annotations

from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.responses import Response

TYPES: Final = "https://quantumjobs.io/problems/"
MEDIA_TYPE: Final = "application/problem+json"


class ProblemReason(StrEnum):
    """Why a request has failed; the last part of the problem's `type`."""

    TOKEN_IN_QUERY = "TokenInQuery"
    INVALID_REQUEST = "InvalidRequest"
    UNAUTHORIZED = "Unauthorized"
    FORBIDDEN = "Forbidden"
    NOT_FOUND = "NotFound"
    NO_RESULT = "NoResult"
    METHOD_NOT_ALLOWED = "MethodNotAllowed"
    SLOW_BODY = "SlowBody"
    ALREADY_EXISTS = "AlreadyExists"
    IDEMPOTENCY_CONFLICT = "IdempotencyConflict"
    JOB_ENDED = "JobEnded"
    NOT_FINISHED = "NotFinished"
    CONTINUE_EXPIRED = "ContinueExpired"
    LENGTH_REQUIRED = "LengthRequired"
    BODY_TOO_LARGE = "BodyTooLarge"
    UNSUPPORTED_MEDIA_TYPE = "UnsupportedMediaType"
    RANGE_NOT_SATISFIABLE = "RangeNotSatisfiable"
    INVALID_JOB = "InvalidJob"
    CHECKSUM_MISMATCH = "ChecksumMismatch"
    TOO_MANY_REQUESTS = "TooManyRequests"
    INTERNAL = "Internal"
    NOT_VERIFIED = "NotVerified"
    BUSY = "Busy"
    KUBERNETES_UNAVAILABLE = "KubernetesUnavailable"
    STORE_UNAVAILABLE = "StoreUnavailable"


STATUS: Final[dict[ProblemReason, int]] = {
    ProblemReason.TOKEN_IN_QUERY: 400,
    ProblemReason.INVALID_REQUEST: 422,
    ProblemReason.UNAUTHORIZED: 401,
    ProblemReason.FORBIDDEN: 403,
    ProblemReason.NOT_FOUND: 404,
    ProblemReason.NO_RESULT: 404,
    ProblemReason.METHOD_NOT_ALLOWED: 405,
    ProblemReason.SLOW_BODY: 408,
    ProblemReason.ALREADY_EXISTS: 409,
    ProblemReason.IDEMPOTENCY_CONFLICT: 409,
    ProblemReason.JOB_ENDED: 409,
    ProblemReason.NOT_FINISHED: 409,
    ProblemReason.CONTINUE_EXPIRED: 410,
    ProblemReason.LENGTH_REQUIRED: 411,
    ProblemReason.BODY_TOO_LARGE: 413,
    ProblemReason.UNSUPPORTED_MEDIA_TYPE: 415,
    ProblemReason.RANGE_NOT_SATISFIABLE: 416,
    ProblemReason.INVALID_JOB: 422,
    ProblemReason.CHECKSUM_MISMATCH: 422,
    ProblemReason.TOO_MANY_REQUESTS: 429,
    ProblemReason.INTERNAL: 500,
    ProblemReason.NOT_VERIFIED: 502,
    ProblemReason.BUSY: 503,
    ProblemReason.KUBERNETES_UNAVAILABLE: 503,
    ProblemReason.STORE_UNAVAILABLE: 503,
}
RETRY_AFTER: Final = {429: "1", 503: "1"}


class ApiProblem(Exception):
    """An answer that is an error. `detail` says what to do, and holds no text of a stack trace."""

    def __init__(self, reason: ProblemReason, detail: str, headers: dict[str, str] | None = None, **more: Any) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.status = STATUS[reason]
        self.detail = detail
        self.headers = headers or {}
        self.more = more

    def body(self) -> dict[str, Any]:
        return {
            "type": TYPES + self.reason,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "reason": str(self.reason),
            "detail": self.detail,
        } | self.more

    def response(self) -> Response:
        headers = dict(self.headers)
        if self.status == 401:
            headers["WWW-Authenticate"] = 'Bearer realm="kubernetes"'
        if self.status in RETRY_AFTER:
            headers.setdefault("Retry-After", RETRY_AFTER[self.status])
        return Response(msgspec.json.encode(self.body()), self.status, headers, MEDIA_TYPE)


def of_kubernetes(status: int, message: str, retry_after: str | None = None) -> ApiProblem:
    """What the API server's refusal is to the caller. Its sentence is passed on where it speaks of what was sent."""
    match status:
        case 401:
            return ApiProblem(ProblemReason.UNAUTHORIZED, "The token is not valid, or no longer: get another one.")
        case 403:
            return ApiProblem(
                ProblemReason.FORBIDDEN, "The token's owner may not do this here: ask for rights on quantumjobs."
            )
        case 404:
            return ApiProblem(ProblemReason.NOT_FOUND, "There is no such QuantumJob or namespace.")
        case 409:
            return ApiProblem(ProblemReason.ALREADY_EXISTS, "Another QuantumJob has this name, or it has just changed.")
        case 410:
            return ApiProblem(
                ProblemReason.CONTINUE_EXPIRED, "The continue token has expired: list from the start again."
            )
        case 400 | 422:
            return ApiProblem(ProblemReason.INVALID_JOB, message)
        case 413:
            return ApiProblem(
                ProblemReason.BODY_TOO_LARGE, "The QuantumJob is too large: upload its circuits and name their keys."
            )
        case 429:
            wait = {"Retry-After": retry_after} if retry_after else {}
            return ApiProblem(ProblemReason.TOO_MANY_REQUESTS, "The API server asks to wait a moment.", wait)
        case _:
            return ApiProblem(ProblemReason.KUBERNETES_UNAVAILABLE, "The API server does not answer: try again.")
