"""Problem responses, and errors of the API server as problems."""

from __future__ import annotations

import pytest

from quantumjob_api import problems
from quantumjob_api.problems import STATUS, ApiProblem, ApiReason


@pytest.mark.parametrize("reason", list(ApiReason))
def test_every_reason_has_a_response(reason: ApiReason) -> None:
    answer = ApiProblem(reason, "Do this.", at="x").response()
    assert answer.status_code == STATUS[reason]
    assert answer.media_type == "application/problem+json"
    assert ("WWW-Authenticate" in answer.headers) == (answer.status_code == 401)
    assert ("Retry-After" in answer.headers) == (answer.status_code in {429, 503})


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, 422),
        (401, 401),
        (403, 403),
        (404, 404),
        (409, 409),
        (410, 410),
        (413, 413),
        (422, 422),
        (429, 429),
        (500, 503),
        (504, 503),
        (0, 503),
    ],
)
def test_errors_of_the_api_server(status: int, expected: int) -> None:
    found = problems.of_kubernetes(status, "a server's own words")
    assert found.status == expected
    assert ("own words" in found.detail) == (status in {400, 422}), (
        "its words are passed on where they are about the job"
    )
