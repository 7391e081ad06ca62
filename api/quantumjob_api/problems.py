"""Errors of the service as problem details (RFC 9457) with a closed list of reasons."""

from __future__ import annotations

from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.responses import Response

TYPES: Final = "https://quantumjobs.io/problems/"
MEDIA_TYPE: Final = "application/problem+json"


class ApiReason(StrEnum):
    """Why a request failed: the last part of the problem's `type`."""

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


STATUS: Final[dict[ApiReason, int]] = {
    ApiReason.TOKEN_IN_QUERY: 400,
    ApiReason.INVALID_REQUEST: 422,
    ApiReason.UNAUTHORIZED: 401,
    ApiReason.FORBIDDEN: 403,
    ApiReason.NOT_FOUND: 404,
    ApiReason.NO_RESULT: 404,
    ApiReason.METHOD_NOT_ALLOWED: 405,
    ApiReason.SLOW_BODY: 408,
    ApiReason.ALREADY_EXISTS: 409,
    ApiReason.IDEMPOTENCY_CONFLICT: 409,
    ApiReason.JOB_ENDED: 409,
    ApiReason.NOT_FINISHED: 409,
    ApiReason.CONTINUE_EXPIRED: 410,
    ApiReason.LENGTH_REQUIRED: 411,
    ApiReason.BODY_TOO_LARGE: 413,
    ApiReason.UNSUPPORTED_MEDIA_TYPE: 415,
    ApiReason.RANGE_NOT_SATISFIABLE: 416,
    ApiReason.INVALID_JOB: 422,
    ApiReason.CHECKSUM_MISMATCH: 422,
    ApiReason.TOO_MANY_REQUESTS: 429,
    ApiReason.INTERNAL: 500,
    ApiReason.NOT_VERIFIED: 502,
    ApiReason.BUSY: 503,
    ApiReason.KUBERNETES_UNAVAILABLE: 503,
    ApiReason.STORE_UNAVAILABLE: 503,
}
RETRY_AFTER: Final = {429: "1", 503: "1"}


class ApiProblem(Exception):
    """An error response. `detail` is for the user: the cause and what to do."""

    def __init__(self, reason: ApiReason, detail: str, headers: dict[str, str] | None = None, **more: Any) -> None:
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
    """The problem for an error status of the API server, 0 if it did not respond.

    `message` is passed on only for 400 and 422, where it is about the submitted object.
    """
    match status:
        case 401:
            return ApiProblem(ApiReason.UNAUTHORIZED, "The token is invalid or expired: get a new one.")
        case 403:
            return ApiProblem(
                ApiReason.FORBIDDEN,
                "The token lacks this right in the namespace: ask for rights on quantumjobs.",
            )
        case 404:
            return ApiProblem(ApiReason.NOT_FOUND, "The QuantumJob or its namespace does not exist.")
        case 409:
            return ApiProblem(
                ApiReason.ALREADY_EXISTS,
                "Another QuantumJob has this name: choose another one.",
            )
        case 410:
            return ApiProblem(
                ApiReason.CONTINUE_EXPIRED, "The `continue` token has expired: list from the start again."
            )
        case 400 | 422:
            return ApiProblem(ApiReason.INVALID_JOB, message)
        case 413:
            return ApiProblem(
                ApiReason.BODY_TOO_LARGE,
                "The QuantumJob is too large: upload its circuits and use their keys.",
            )
        case 429:
            wait = {"Retry-After": retry_after} if retry_after else {}
            return ApiProblem(
                ApiReason.TOO_MANY_REQUESTS,
                "The API server limits requests: wait as long as Retry-After.",
                wait,
            )
        case _:
            return ApiProblem(ApiReason.KUBERNETES_UNAVAILABLE, "The API server did not respond: try again later.")
