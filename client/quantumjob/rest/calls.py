"""The calls of the service, without I/O: generators that yield a request and receive its response.

Both clients run them, each over its own transport, so that paging and long polls exist once.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Generator, Mapping
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import quote

import msgspec

from quantumjob import errors, models
from quantumjob.rest.json_body import encoded

JSON = dict[str, Any]
T = TypeVar("T")
M = TypeVar("M", bound=models.ServiceModel)

MAX_WAIT: Final = 60
"""Longest long poll of the service, in seconds."""
PAGE: Final = 200


class Request(NamedTuple):
    """A request; `path` is relative to the namespace."""

    method: str
    path: str
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    body: bytes | None = None
    safe: bool = True
    """Whether the request may be repeated."""
    waits: float = 0.0
    """Seconds for which the service may hold the response."""
    resumes: bool = False
    """Whether a download that was cut is continued by a Range request."""


class Response(NamedTuple):
    """A response; its status is below 400."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Call = Generator[Request, Response, T]


def submit(body: JSON, key: str | None = None) -> Call[models.Status]:
    """Submits a job. The idempotency key is generated once, so that repeats create one job."""
    headers = {"Idempotency-Key": key or secrets.token_hex(16), "Content-Type": "application/json"}
    answer = yield Request("POST", "jobs", headers=headers, body=encoded(body))
    return _read(answer, models.Status)


def status(name: str) -> Call[models.Status]:
    """Returns the job."""
    return _read((yield Request("GET", _job(name))), models.Status)


def wait(name: str, timeout: float | None) -> Call[models.Status]:
    """Waits until the job is finished, by long polls. Raises WaitTimeout."""
    until = None if timeout is None else time.monotonic() + timeout
    while True:
        found = yield from _poll(name, until, {})
        if found is not None and found.finished:
            return found
        if until is not None and time.monotonic() >= until:
            raise errors.WaitTimeout(f"{name} is not finished after {timeout:g} s; it continues.")


def change(name: str, version: str, seconds: float = MAX_WAIT) -> Call[models.Status | None]:
    """Waits for a state after this version. Returns None where nothing changes within `seconds`."""
    return (yield from _poll(name, time.monotonic() + seconds, {"If-None-Match": f'"{version}"'}))


def _poll(name: str, until: float | None, headers: Mapping[str, str]) -> Call[models.Status | None]:
    left = MAX_WAIT if until is None else max(0.0, until - time.monotonic())
    seconds = min(MAX_WAIT, -int(-left // 1))
    answer = yield Request("GET", _job(name), {"wait": str(seconds)}, headers, waits=seconds)
    return None if answer.status == 304 else _read(answer, models.Status)


def result(name: str) -> Call[models.Result]:
    """Returns the result."""
    return _read((yield Request("GET", f"{_job(name)}/result")), models.Result)


def arrays(stored: models.Arrays) -> Call[bytes]:
    """Downloads a `.npz` of a result. Raises NotVerified."""
    path = stored.href.split("/", 4)[-1]  # below the namespace
    answer = yield Request("GET", path, headers={"Accept-Encoding": "identity"}, resumes=True)
    if (len(answer.body), hashlib.sha256(answer.body).hexdigest()) != (stored.bytes, stored.sha256):
        raise errors.NotVerified(
            answer.status, "NotVerified", f"{stored.href} differs from the sha256 that was committed: do not use it."
        )
    return answer.body


def partial(name: str) -> Call[models.Partial]:
    """Returns the results so far."""
    return _read((yield Request("GET", f"{_job(name)}/partial")), models.Partial)


def cancel(name: str) -> Call[models.Status]:
    """Cancels the job."""
    return _read((yield Request("POST", f"{_job(name)}/cancel")), models.Status)


def delete(name: str) -> Call[None]:
    """Deletes the job. Not repeated: a 404 could mean that the first request deleted it."""
    yield Request("DELETE", _job(name), safe=False)


def jobs(limit: int | None = None) -> Call[list[models.JobRow]]:
    """Lists jobs."""
    return (yield from _pages("jobs", models.JobRow, limit))


def history(limit: int | None = None) -> Call[list[models.HistoryRow]]:
    """Lists finished jobs, newest first."""
    return (yield from _pages("history", models.HistoryRow, limit))


def stored(uid: str) -> Call[models.Result]:
    """Returns the result of a finished job by its UID, also where its QuantumJob is deleted."""
    return _read((yield Request("GET", f"history/{quote(uid, safe='')}/result")), models.Result)


def circuits(limit: int | None = None) -> Call[list[models.CircuitInfo]]:
    """Lists circuits, by key."""
    return (yield from _pages("circuits", models.CircuitInfo, limit))


def upload(data: bytes, key: str | None = None) -> Call[models.CircuitInfo]:
    """Uploads a circuit; without a key, under its sha256."""
    key = key or f"sha256/{hashlib.sha256(data).hexdigest()}"
    headers = {"Content-Type": "application/octet-stream"}
    answer = yield Request("PUT", f"circuits/{quote(key)}", headers=headers, body=data)
    return _read(answer, models.CircuitInfo)


def _pages(path: str, kind: type[M], limit: int | None) -> Call[list[M]]:
    found: list[M] = []
    query: dict[str, str] = {}
    while limit is None or len(found) < limit:
        count = PAGE if limit is None else min(PAGE, limit - len(found))
        answer = yield Request("GET", path, query | {"limit": str(count)})
        page = _decoded(answer, models.Page[kind])  # type: ignore[valid-type]
        found += page.items
        if not page.next:
            break
        query = {"continue": page.next}
    return found


def _job(name: str) -> str:
    """Returns the path of a job. Raises NotFound."""
    if "/" in name:  # proxies would read it as a path
        raise errors.NotFound(404, "NotFound", f"{name} cannot be the name of a job: names have no slash.")
    return f"jobs/{quote(name, safe='')}"


def _read(answer: Response, kind: type[M]) -> M:
    return _decoded(answer, kind)


def _decoded(answer: Response, kind: type[T]) -> T:
    """Decodes a response. Raises NotTheService."""
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except msgspec.DecodeError as error:
        raise errors.NotTheService(
            f"The response is not from the quantumjob service ({error}): check the URL."
        ) from None
