"""The pure parts: tokens, ranges, pages, views, bodies, connections, problems."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from quantumjob_api import problems
from quantumjob_api.model import views
from quantumjob_api.problems import STATUS, ApiProblem, ApiReason
from quantumjob_api.routes import pagination
from quantumjob_api.server import bearer_token, request_body
from quantumjob_api.server.connections import MIN_SECONDS, ClientConnection, Connections
from quantumjob_api.server.quota import NamespaceQuota
from quantumjob_api.store import objects
from support.kube import quantumjob

JSON = dict[str, Any]


@pytest.mark.parametrize(
    "query", ["token=x", "a=1&access_token=x", "Access_Token=x", "%74oken=x", "authorization=", "bearer"]
)
def test_a_token_in_the_query_is_seen(query: str) -> None:
    assert bearer_token.in_query(query)


@pytest.mark.parametrize("query", ["", "limit=1", "continue=token", "tokens=1", "&&&=;", "a=" * 10_000, "a&" * 900])
def test_other_queries_hold_none(query: str) -> None:
    assert not bearer_token.in_query(query)


@pytest.mark.parametrize(
    ("header", "answer"),
    [
        (None, (200, b"0123456789", None)),
        ("bytes=0-3", (206, b"0123", "bytes 0-3/10")),
        ("bytes=4-", (206, b"456789", "bytes 4-9/10")),
        ("bytes=-3", (206, b"789", "bytes 7-9/10")),
        ("bytes=-99", (206, b"0123456789", "bytes 0-9/10")),
        ("bytes=8-99", (206, b"89", "bytes 8-9/10")),
        ("bytes=3-1", (200, b"0123456789", None)),
        ("bytes=-", (200, b"0123456789", None)),
        ("bytes=0-1,3-4", (200, b"0123456789", None)),
        ("items=0-1", (200, b"0123456789", None)),
        ("bytes=" + "9" * 99 + "-", (200, b"0123456789", None)),
    ],
)
def test_ranges(header: str | None, answer: tuple[int, bytes, str | None]) -> None:
    found = objects.in_memory(b"0123456789", header)
    assert (found.status_code, found.body, found.headers.get("Content-Range")) == answer


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=-0", "bytes=99-100"])
def test_a_range_that_is_not_there(header: str) -> None:
    with pytest.raises(ApiProblem) as caught:
        objects.in_memory(b"0123456789", header)
    assert caught.value.status == 416
    assert caught.value.headers == {"Content-Range": "bytes */10"}


def test_pages_come_back_and_others_do_not() -> None:
    assert pagination.decode(pagination.encode("a/ü b")) == "a/ü b"
    for wrong in ("x", "____", "=", "a" * 4096 + "="):
        with pytest.raises(ApiProblem):
            pagination.decode(wrong)


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def body(limit: int, *chunks: bytes) -> request_body.HashedBody:
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages[-1]["more_body"] = False
    coming = iter(messages)

    async def receive() -> JSON:
        return next(coming)

    return request_body.HashedBody(receive, limit)


async def test_nothing_is_complete_before_its_sha256_is_known() -> None:
    right = hashlib.sha256(b"abcdef").hexdigest()
    assert [c async for c in body(6, b"abc", b"", b"def", b"").checked(right)] == [b"abc", b"def"]
    got = []
    with pytest.raises(ApiProblem) as caught:
        async for chunk in body(6, b"abc", b"deX").checked(right):
            got.append(chunk)
    assert (caught.value.reason, got) == (ApiReason.CHECKSUM_MISMATCH, [b"abc"])
    with pytest.raises(ApiProblem) as caught:
        await body(6, b"abc", b"defg").sha256("")
    assert caught.value.status == 413


@pytest.mark.parametrize("read", range(4))
async def test_a_body_is_read_on_where_another_reader_has_stopped(read: int) -> None:
    """And it is the whole body's sha256, whichever chunk that was."""
    given = body(9, b"abc", b"def", b"ghi")
    reading = given.checked("")
    for _ in range(read):
        await anext(reading)
    assert await given.sha256("") == hashlib.sha256(b"abcdefghi").hexdigest()


async def test_a_client_that_leaves_has_sent_no_body() -> None:
    async def receive() -> JSON:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientDisconnect):
        await request_body.HashedBody(receive, 9).sha256("")


async def test_an_object_that_is_not_what_it_should_be_never_ends() -> None:
    got = []
    with pytest.raises(ApiProblem) as caught:
        async for chunk in objects.verified(pieces(b"abc", b"def"), "0" * 64):
            got.append(chunk)
    assert (caught.value.reason, got) == (ApiReason.NOT_VERIFIED, [b"abc"])


def test_the_connection_that_waits_longest_for_its_client_makes_room() -> None:
    closed: list[str] = []
    gone: set[str] = set()
    connections = Connections(2)

    def add(name: str, now: float) -> ClientConnection:
        made = ClientConnection(lambda: name not in gone, lambda: closed.append(name), now)
        connections.add((name, 1), made)
        return made

    first, second = add("first", 0.0), add("second", 0.1)
    assert not connections.make_room(0.1), "no connection is MIN_SECONDS old"
    assert connections.make_room(MIN_SECONDS)
    assert closed == ["first"]
    first = add("first", 1.0)
    second.waiting_since = None
    assert not connections.make_room(1.0 + MIN_SECONDS / 2), "the service works for the only old one"
    second.waiting_since = 9.0
    assert connections.make_room(9.0), "its age counts, not the time since its last answer"
    assert closed == ["first", "first"], "it waits longest"
    third = add("third", 9.0)
    first.waiting_since = second.waiting_since = third.waiting_since = None
    assert not connections.make_room(99.0)
    gone.add("second")
    assert connections.make_room(99.0)
    assert connections.find(("second", 1)) is None
    assert closed == ["first", "first"]


def test_a_connection_that_asks_again_and_again_keeps_no_client_out() -> None:
    closed: list[int] = []
    connections = Connections(1)
    busy = ClientConnection(lambda: True, lambda: closed.append(1), 0.0)
    connections.add(("busy", 1), busy)
    busy.waiting_since = 0.99 * MIN_SECONDS
    assert connections.make_room(MIN_SECONDS)
    assert closed == [1]


def test_room_has_no_queue_and_a_part_for_each_namespace() -> None:
    room = NamespaceQuota(10, 6)

    def busy(namespace: str, amount: int) -> bool:
        with pytest.raises(ApiProblem) as caught, room.take(namespace, amount):
            pass
        return caught.value.status == 503

    with room.take("a", 4):
        assert busy("a", 3), "its part"
        with room.take("a", 2), room.take("b", 4):
            assert busy("b", 1), "all there is"
        with room.take("b", 99), room.take("c", 0):
            assert busy("c", 1), "what is more than a part has a part"
    with room.take("a", 6):
        pass


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", 0),
        (b'"[[[[,,,,"', 0),
        (rb'{"a\"[,": [1, 2, "\\"], "b": {}}', 3 * request_body.CONTAINER_BYTES + 3 * request_body.ITEM_BYTES),
        (b"[" * 1000, 1000 * request_body.CONTAINER_BYTES),
    ],
)
def test_what_json_takes_when_it_is_parsed(text: bytes, expected: int) -> None:
    assert request_body.parsed_size(text) == expected


@pytest.mark.parametrize("text", [b'"' + b"x" * (4 << 20) + b'"', b'"' + rb"\"" * (2 << 20) + b'"', b'"",' * (1 << 20)])
def test_to_know_what_json_takes_takes_little(text: bytes) -> None:
    tracemalloc.start()
    try:
        request_body.parsed_size(text)
        assert tracemalloc.get_traced_memory()[1] < 128 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("reason", list(ApiReason))
def test_every_reason_is_a_problem(reason: ApiReason) -> None:
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
def test_the_api_servers_refusals(status: int, expected: int) -> None:
    found = problems.of_kubernetes(status, "a server's own words")
    assert found.status == expected
    assert ("own words" in found.detail) == (status in {400, 422}), (
        "its words are passed on where they are about the job"
    )


def test_a_job_is_shown_without_its_spec() -> None:
    shown = views.job(quantumjob())
    assert "spec" not in shown
    assert (shown["phase"], shown["finished"], shown["cancel"], shown["version"]) == ("Pending", False, False, "10")
    done = quantumjob(
        status={
            "phase": "Succeeded",
            "progress": "1/1",
            "conditions": [
                {"type": "Reconciling", "status": "False", "reason": "AllPubsSucceeded", "message": ""},
                {"type": "Complete", "status": "True", "reason": "AllPubsSucceeded", "message": "1/1 pubs succeeded."},
            ],
        }
    )
    shown = views.job(done)
    assert (shown["finished"], shown["reason"], shown["message"]) == (True, "AllPubsSucceeded", "1/1 pubs succeeded.")


@pytest.mark.parametrize(
    ("header", "named"),
    [('"10"', True), ('W/"10"', True), ('"9", "10"', True), ("*", True), ('"1"', False), ("", False)],
)
def test_if_none_match(header: str, named: bool) -> None:
    assert views.matches_etag(views.etag(quantumjob()), header) is named
