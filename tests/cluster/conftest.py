"""Fixtures on a real Kubernetes with the quickstart installed (`hack/quickstart`).

All tests use the one installation; each has a fresh namespace, so those of one file may run beside those of another.
Marks (setup.cfg): `disruptive` tests stop or restart something that others use, and run alone; `long` ones run in
`make test-long`. A test with the fixture `workers` runs with shared workers, and in the long tier once more with
dedicated ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Protocol, runtime_checkable

import operator_deployment
import pytest
from namespaces import Namespace, fresh
from operator_deployment import LINGER, LINGER_SECONDS

import cluster
from quantumjob_contract import names
from quantumjob_contract.store import Store

LINGERS: Final = {names.SHARED: str(LINGER_SECONDS), names.DEDICATED: "0"}
"""The operator's setting by the kind of workers that it starts."""
KINDS: Final = [names.SHARED, pytest.param(names.DEDICATED, marks=pytest.mark.long)]
BEFORE: Final = pytest.StashKey[str | None]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Gives the operator a short linger for the session, once for all processes of pytest-xdist."""
    if not hasattr(session.config, "workerinput") and not session.config.option.collectonly:
        session.stash[BEFORE] = operator_deployment.environment().get(LINGER)
        operator_deployment.set_environment({LINGER: LINGERS[names.SHARED]})


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Gives the operator its own linger back."""
    if BEFORE in session.stash:
        operator_deployment.set_environment({LINGER: session.stash[BEFORE]}, wait=False)


@pytest.fixture(params=KINDS)
def workers(request: pytest.FixtureRequest) -> str:
    """The kind of workers that the operator starts from now on."""
    kind: str = request.param
    operator_deployment.set_environment({LINGER: LINGERS[kind]})
    return kind


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts tests with dedicated workers last, so that the operator's setting changes once."""

    def dedicated(item: pytest.Item) -> bool:
        parameters: dict[str, str] = item.callspec.params if isinstance(item, WithParameters) else {}
        return parameters.get("workers") == names.DEDICATED

    items.sort(key=dedicated)


@runtime_checkable
class WithParameters(Protocol):
    """A test that is one of several."""

    callspec: Any


@pytest.fixture(scope="session")
def _session_store() -> Iterator[Store]:
    with cluster.store() as opened:
        yield opened


@pytest.fixture
def store(_session_store: Store) -> Store:
    """The installation's store. Disruptive tests open one of their own: a port-forward ends with its pod."""
    return _session_store


@pytest.fixture
def namespace(store: Store) -> Iterator[Namespace]:
    """A fresh namespace."""
    with fresh(store) as made:
        yield made


@pytest.fixture
def other_namespace(store: Store) -> Iterator[Namespace]:
    """Another fresh namespace."""
    with fresh(store) as made:
        yield made


@pytest.fixture
def single(namespace: Namespace) -> Namespace:
    """A fresh namespace whose quota allows one worker, which all its jobs share."""
    namespace.quota("count/jobs.batch", 1)
    return namespace
