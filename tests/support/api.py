"""Runs the REST service in this process, with a fake of its Kubernetes client."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import itertools
from collections.abc import AsyncIterator
from typing import Any

import httpx

from quantumjob_api import app
from quantumjob_api.problems import of_kubernetes
from quantumjob_api.server.connections import Connections
from quantumjob_api.server.middleware import RequestLimits
from quantumjob_api.server.quota import NamespaceQuota
from quantumjob_api.server.request_body import BodyBudget
from quantumjob_api.service import Service

JSON = dict[str, Any]
JOBS = "/v1/namespaces/team/jobs"
BODY = {"circuit": "OPENQASM 3.0;", "shots": 5}
COLUMNS = ("Name", "Phase", "Progress", "Backend", "Shots", "Reason", "Results", "Age")


class FakeCallerClient:
    """QuantumJobs in memory. A token is `verbs~namespace`, for example `get.list~team`; any other is invalid."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], JSON] = {}
        self.changed = asyncio.Condition()
        self.events: list[JSON] = []
        self.calls: list[str] = []
        self._versions = itertools.count(100)

    def authorize(self, token: str, namespace: str, verb: str) -> None:
        self.calls.append(f"{verb} {namespace}")
        verbs, at, where = token.partition("~")
        if not at:
            raise of_kubernetes(401, "")
        if where != namespace or verb not in verbs.split("."):
            raise of_kubernetes(403, "")

    async def close(self) -> None:
        pass

    async def put(self, namespace: str, name: str, item: JSON, kind: str = "MODIFIED") -> JSON:
        item["metadata"]["resourceVersion"] = str(next(self._versions))
        self.objects[namespace, name] = item
        async with self.changed:
            self.events.append({"type": kind, "object": copy.deepcopy(item)})
            self.changed.notify_all()
        return copy.deepcopy(item)

    async def set_status(self, namespace: str, name: str, **status: Any) -> None:
        await self.put(namespace, name, self.objects[namespace, name] | {"status": status})

    async def get(self, token: str, namespace: str, name: str) -> JSON:
        self.authorize(token, namespace, "get")
        return self._found(namespace, name)

    def _found(self, namespace: str, name: str) -> JSON:
        if (namespace, name) not in self.objects:
            raise of_kubernetes(404, "")
        return copy.deepcopy(self.objects[namespace, name])

    async def create(self, token: str, namespace: str, body: JSON) -> JSON:
        self.authorize(token, namespace, "create")
        meta = body["metadata"]
        number = next(self._versions)
        name = meta.get("name") or f"{meta['generateName']}{number}"
        if (namespace, name) in self.objects:
            raise of_kubernetes(409, "")
        made = {
            "name": name,
            "namespace": namespace,
            "uid": f"00000000-0000-4000-8000-{number:012d}",
            "creationTimestamp": "2026-01-02T03:04:05Z",
        }
        return await self.put(namespace, name, body | {"metadata": meta | made}, "ADDED")

    async def cancel(self, token: str, namespace: str, name: str) -> JSON:
        self.authorize(token, namespace, "patch")
        found = self._found(namespace, name)
        found["spec"]["cancel"] = True
        return await self.put(namespace, name, found)

    async def delete(self, token: str, namespace: str, name: str) -> None:
        self.authorize(token, namespace, "delete")
        gone = self._found(namespace, name)
        await self.put(namespace, name, gone, "DELETED")
        del self.objects[namespace, name]

    async def table(self, token: str, namespace: str, query: dict[str, str]) -> JSON:
        self.authorize(token, namespace, "list")
        wanted = query.get("labelSelector", "").partition("=")
        found = [
            item
            for (space, _), item in self.objects.items()
            if space == namespace and (not wanted[0] or item["metadata"]["labels"].get(wanted[0]) == wanted[2])
        ]
        rows = [
            {
                "cells": [
                    item["metadata"]["name"],
                    item.get("status", {}).get("phase"),
                    None,
                    "aer",
                    7,
                    None,
                    None,
                    "1s",
                ],
                "object": {"metadata": item["metadata"]},
            }
            for item in found
        ]
        return {"metadata": {}, "columnDefinitions": [{"name": name} for name in COLUMNS], "rows": rows or None}

    async def require(self, token: str, namespace: str, verb: str) -> None:
        self.authorize(token, namespace, verb)

    async def watch(self, token: str, namespace: str, name: str, version: str, seconds: float) -> AsyncIterator[JSON]:
        self.authorize(token, namespace, "watch")
        seen = 0
        while True:
            async with self.changed:
                await self.changed.wait_for(lambda: len(self.events) > seen)  # noqa: B023
                fresh, seen = self.events[seen:], len(self.events)
            for event in fresh:
                meta = event["object"]["metadata"]
                if (meta["namespace"], meta["name"]) == (namespace, name) and int(meta["resourceVersion"]) > int(
                    version
                ):
                    yield event


class Opened:
    """Stores with an open store."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def open(self) -> Any:
        return self._store

    async def close(self) -> None:
        pass


class Client(httpx.AsyncClient):
    """Resolves paths like links: an absolute path starts at the root."""

    def build_request(self, method: str, url: httpx.URL | str, **kwargs: Any) -> httpx.Request:
        return super().build_request(method, self.base_url.join(url), **kwargs)


@contextlib.asynccontextmanager
async def running(kube: Any, store: Any, *, waiting: int = 8) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the service."""
    through = transport(kube, store, waiting=waiting)
    async with Client(transport=through, base_url="http://service") as client:
        yield client


def transport(kube: Any, store: Any, *, waiting: int = 8) -> httpx.ASGITransport:
    """A transport to the service, without a network."""
    service = Service(
        kube,
        Opened(store),  # type: ignore[arg-type]
        BodyBudget(NamespaceQuota(1 << 24, 1 << 23)),
        waiting=NamespaceQuota(waiting, waiting),
        segment_bytes=NamespaceQuota(1 << 24, 1 << 24),
        manifests=asyncio.Semaphore(3),
        job_lists=asyncio.Semaphore(3),
        history_lists=NamespaceQuota(2, 2),
    )

    async def given() -> Service:
        return service

    made = app.create(given)
    made.state.service = service
    return httpx.ASGITransport(RequestLimits(made, Connections(1)), raise_app_exceptions=False)


def bearer(verbs: str, namespace: str = "team") -> dict[str, str]:
    return {"Authorization": f"Bearer {verbs}~{namespace}"}


ALL = bearer("get.list.watch.create.patch.delete")


def is_problem(answer: httpx.Response, status: int, reason: str) -> bool:
    """Whether a response is this problem."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["type"] == f"https://quantumjobs.io/problems/{body['reason']}"
    return bool((body["status"], body["reason"]) == (status, reason))
