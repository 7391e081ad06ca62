"""Which connection is closed for a new one."""

from __future__ import annotations

from quantumjob_api.server.connections import MIN_SECONDS, ClientConnection, Connections


def test_the_connection_that_waits_longest_for_its_client_makes_room() -> None:
    closed: list[str] = []
    gone: set[str] = set()
    connections = Connections(2)

    def add(name: str, now: float) -> ClientConnection:
        made = ClientConnection(lambda: name not in gone, lambda: closed.append(name), now)
        connections.add((name, 1), made)
        return made

    first, second = add("first", 0.0), add("second", 0.1)
    assert not connections.may_accept(0.1), "no connection is MIN_SECONDS old"
    assert connections.may_accept(MIN_SECONDS)
    assert closed == ["first"]
    first = add("first", 1.0)
    second.waiting_since = None
    assert not connections.may_accept(1.0 + MIN_SECONDS / 2), "the service works for the only old one"
    second.waiting_since = 9.0
    assert connections.may_accept(9.0), "its age counts, not the time since its last answer"
    assert closed == ["first", "first"], "it waits longest"
    third = add("third", 9.0)
    first.waiting_since = second.waiting_since = third.waiting_since = None
    assert not connections.may_accept(99.0)
    gone.add("second")
    assert connections.may_accept(100.0)
    assert connections.find(("second", 1)) is None
    assert closed == ["first", "first"]


def test_a_connection_that_asks_again_and_again_keeps_no_client_out() -> None:
    closed: list[int] = []
    connections = Connections(1)
    busy = ClientConnection(lambda: True, lambda: closed.append(1), 0.0)
    connections.add(("busy", 1), busy)
    busy.waiting_since = 0.99 * MIN_SECONDS
    assert connections.may_accept(MIN_SECONDS)
    assert closed == [1]
