"""A service in this process, and clients of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import stamina

from quantumjob import Client
from support.service import TOKEN, URL, Running, running

ATTEMPTS = 4


@pytest.fixture(autouse=True)
def _at_once() -> Iterator[None]:
    """Repeats do not wait."""
    stamina.set_testing(True, attempts=ATTEMPTS, cap=True)
    yield
    stamina.set_testing(False)


@pytest.fixture
def service() -> Iterator[Running]:
    with running() as found:
        yield found


@pytest.fixture
def client(service: Running) -> Iterator[Client]:
    with Client(URL, token=TOKEN, namespace="team", transport=service.transport) as opened:
        yield opened
