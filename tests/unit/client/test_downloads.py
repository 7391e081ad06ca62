"""Arrays of a result, over connections that are cut."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from quantumjob import AsyncClient, Client, Unreachable, errors, models
from support.service import TOKEN, URL, Running

CIRCUIT = 'OPENQASM 3.0; include "stdgates.inc"; qubit[9] q; h q;'
ATTEMPTS = 4
"""As conftest has them: one row brings something, the next does not."""
BODY: dict[str, Any] = {
    "name": "saved",
    "spec": {"program": {"pubs": [{"name": "state", "circuit": {"inline": CIRCUIT}, "save": ["Statevector"]}]}},
}


@pytest.fixture
def stored(client: Client, service: Running) -> models.Arrays:
    """Of somewhat more than 8 KiB."""
    client.submit(BODY)
    client.wait("saved")
    (found,) = client.result("saved").arrays
    service.wire.sent.clear()
    return found


def ranges(sent: list[httpx.Request]) -> list[str | None]:
    return [request.headers.get("Range") for request in sent]


def test_what_is_cut_is_read_on_however_often_as_long_as_more_comes(
    client: Client, service: Running, stored: models.Arrays
) -> None:
    service.wire.cuts = [0, 1, 100, *[500] * 8]
    assert len(client.arrays(stored)) == stored.bytes
    assert ranges(service.wire.sent)[:5] == [None, "bytes=0-", "bytes=0-", "bytes=99-", "bytes=598-"]
    assert len(service.wire.sent) == 12


async def test_the_same_with_an_event_loop(service: Running) -> None:
    wire = Running(service.portal).wire
    async with AsyncClient(URL, token=TOKEN, namespace="team", transport=wire) as client:
        await client.submit(BODY)
        await client.wait("saved")
        (stored,) = (await client.result("saved")).arrays
        wire.sent.clear()
        wire.cuts = [700, 0, 10, 10, 10]
        assert len(await client.arrays(stored)) == stored.bytes
    assert ranges(wire.sent) == [None, *[f"bytes={start}-" for start in (699, 698, 707, 716, 725)]]


def test_a_body_of_which_no_more_comes(client: Client, service: Running, stored: models.Arrays) -> None:
    service.wire.cuts = [700, *[0] * 99]
    with pytest.raises(Unreachable):
        client.arrays(stored)
    assert ranges(service.wire.sent)[:2] == [None, "bytes=699-"]
    assert len(service.wire.sent) == 2 * ATTEMPTS


class Rangeless(httpx.BaseTransport):
    """A way to the service on which ranges are lost."""

    def __init__(self, service: Running) -> None:
        self._service = service

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.headers.pop("Range", None)
        return self._service.transport.handle_request(request)


def test_where_there_are_no_ranges_all_of_it_comes_anew(service: Running, stored: models.Arrays) -> None:
    service.wire.cuts = [700]
    with Client(URL, token=TOKEN, namespace="team", transport=Rangeless(service)) as client:
        assert len(client.arrays(stored)) == stored.bytes
    assert len(service.wire.sent) == 2


@pytest.mark.parametrize("size", [1000, 1 << 20])
def test_a_check_that_fails_while_it_comes_is_told_as_such(
    client: Client, service: Running, stored: models.Arrays, size: int
) -> None:
    """The service can only cut the connection. What comes by range then is checked here."""
    bucket = service.cluster.store.completed
    (key,) = (key for key in bucket.objects if key.endswith(".npz"))
    bucket.objects[key] = b"x" * size
    with pytest.raises(errors.NotVerified, match="differs from the sha256 that was committed"):
        client.arrays(stored)
