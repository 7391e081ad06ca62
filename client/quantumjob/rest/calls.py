"""Every call of the service, without any I/O: generators that yield a request and are sent its answer.

Both clients run the same ones, each over its own kind of connection.
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
"""Seconds of one long poll, as the service allows."""
PAGE: Final = 200


class Request(NamedTuple):
    """What to send; `path` is below the namespace."""

    method: str
    path: str
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    body: bytes | None = None
    safe: bool = True
    """Whether sending it twice does no more than sending it once."""
    waits: float = 0.0
    """Seconds for which the service may hold the answer back."""
    resumes: bool = False
    """Whether a body that was cut is read on, by a range, instead of anew."""


class Response(NamedTuple):
    """What came; its status is below 400."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Call = Generator[Request, Response, T]


def submit(body: JSON, key: str | None = None) -> Call[models.Status]:
    """One job, however often it has to be sent: the key is made here, once."""
    headers = {"Idempotency-Key": key or secrets.token_hex(16), "Content-Type": "application/json"}
    answer = yield Request("POST", "jobs", headers=headers, body=encoded(body))
    return _read(answer, models.Status)


def status(name: str) -> Call[models.Status]:
    return _read((yield Request("GET", _job(name))), models.Status)


def wait(name: str, timeout: float | None) -> Call[models.Status]:
    """Until it is finished, by long polls. Raises WaitTimeout."""
    until = None if timeout is None else time.monotonic() + timeout
    while True:
        found = yield from _poll(name, until, {})
        if found is not None and found.finished:
            return found
        if until is not None and time.monotonic() >= until:
            raise errors.WaitTimeout(f"{name} is not finished after {timeout:g} s; it goes on.")


def change(name: str, version: str, seconds: float = MAX_WAIT) -> Call[models.Status | None]:
    """Its next state after this version; None where nothing has changed in this time."""
    return (yield from _poll(name, time.monotonic() + seconds, {"If-None-Match": f'"{version}"'}))


def _poll(name: str, until: float | None, headers: Mapping[str, str]) -> Call[models.Status | None]:
    left = MAX_WAIT if until is None else max(0.0, until - time.monotonic())
    seconds = min(MAX_WAIT, -int(-left // 1))
    answer = yield Request("GET", _job(name), {"wait": str(seconds)}, headers, waits=seconds)
    return None if answer.status == 304 else _read(answer, models.Status)


def result(name: str) -> Call[models.Result]:
    return _read((yield Request("GET", f"{_job(name)}/result")), models.Result)


def arrays(stored: models.Arrays) -> Call[bytes]:
    """A `.npz` of a result, as the worker wrote it. Raises NotVerified."""
    path = stored.href.split("/", 4)[-1]  # below the namespace
    answer = yield Request("GET", path, headers={"Accept-Encoding": "identity"}, resumes=True)
    if (len(answer.body), hashlib.sha256(answer.body).hexdigest()) != (stored.bytes, stored.sha256):
        raise errors.NotVerified(answer.status, "NotVerified", f"{stored.href} is not what was committed.")
    return answer.body


def partial(name: str) -> Call[models.Partial]:
    return _read((yield Request("GET", f"{_job(name)}/partial")), models.Partial)


def cancel(name: str) -> Call[models.Status]:
    return _read((yield Request("POST", f"{_job(name)}/cancel")), models.Status)


def delete(name: str) -> Call[None]:
    """Sent once: a repeat could not tell that it was the first which did it."""
    yield Request("DELETE", _job(name), safe=False)


def jobs(limit: int | None = None) -> Call[list[models.JobRow]]:
    return (yield from _pages("jobs", models.JobRow, limit))


def history(limit: int | None = None) -> Call[list[models.HistoryRow]]:
    return (yield from _pages("history", models.HistoryRow, limit))


def stored(uid: str) -> Call[models.Result]:
    """The result of a job that is finished, also where its QuantumJob is gone."""
    return _read((yield Request("GET", f"history/{quote(uid, safe='')}/result")), models.Result)


def circuits(limit: int | None = None) -> Call[list[models.CircuitInfo]]:
    return (yield from _pages("circuits", models.CircuitInfo, limit))


def upload(data: bytes, key: str | None = None) -> Call[models.CircuitInfo]:
    """Without a key it is named by its sha256."""
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
    """Raises NotFound."""
    if "/" in name:  # on its way it would be taken for a path
        raise errors.NotFound(404, "NotFound", f"No job can be called {name}.")
    return f"jobs/{quote(name, safe='')}"


def _read(answer: Response, kind: type[M]) -> M:
    return _decoded(answer, kind)


def _decoded(answer: Response, kind: type[T]) -> T:
    """Raises NotTheService."""
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except msgspec.DecodeError as error:
        raise errors.NotTheService(f"The answer is not one of the quantumjob service ({error}).") from None
