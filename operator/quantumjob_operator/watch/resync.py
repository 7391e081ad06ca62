"""Compares the cache with a fresh list, and applies what the watch has missed.

A failed watch therefore delays work, and loses none. While the watch misses changes, the liveness probe fails, and
Kubernetes restarts the operator.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

from quantumjob_contract import names
from quantumjob_operator.cache import is_known_kind, owner_of
from quantumjob_operator.kubernetes.client import JOBS, PODS, QUANTUMJOBS, ApiError, ResourceKind
from quantumjob_operator.kubernetes.objects import controller_uid, version
from quantumjob_operator.model import status
from quantumjob_operator.scheduling import worker_pool
from quantumjob_operator.watch.event_router import EventRouter

JSON = dict[str, Any]
logger = logging.getLogger(__name__)

KINDS: Final = (QUANTUMJOBS, JOBS, PODS)
GRACE_SECONDS: Final = 10.0
"""A working watch delivers a change within this time of the list."""
POLL_SECONDS: Final = 0.2


def outdated(listed: dict[str, int], known: dict[str, int]) -> set[str]:
    """Returns the UIDs of listed objects that the cache does not have, or has in an older version."""
    return {uid for uid, version in listed.items() if known.get(uid, -1) < version}


def is_relevant(kind: ResourceKind, item: JSON) -> bool:
    """Whether the cache takes this object. Any user can set the labels."""
    if kind is PODS:
        return controller_uid(item) is not None if worker_pool.is_shared(item) else owner_of(item) is not None
    return kind is not JOBS or is_known_kind(item)


@dataclass
class Resync:
    """Resyncs periodically, and knows whether the watch works."""

    router: EventRouter
    namespaces: list[str]
    seconds: float
    failure: str = ""
    """Why the watch counts as failed; empty while it works."""
    synced: bool = field(default=False)
    """The cache holds everything of the first list."""

    async def run(self) -> None:
        """Resyncs until cancelled. An error of the API server says nothing about the watch."""
        while True:
            try:
                await self.compare()
            except ApiError as error:
                logger.warning("Resync failed", extra={"cause": str(error)})
                await asyncio.sleep(GRACE_SECONDS)
                continue
            await asyncio.sleep(self.seconds if self.synced and not self.failure else GRACE_SECONDS)

    async def compare(self) -> None:
        """Compares all kinds once."""
        cache = self.router.controller.cache
        before = {kind: set(cache.versions(kind.plural)) for kind in KINDS}
        listed = {kind: {item["metadata"]["uid"]: item async for item in self._list(kind)} for kind in KINDS}
        await self._let_catch_up(listed, before)
        missed = {
            kind: await self._apply_missed(kind, self._differing(kind, listed[kind], before[kind])) for kind in KINDS
        }
        if self.synced:
            self.failure = ", ".join(f"{count} {kind.plural} missed" for kind, count in missed.items() if count)
        if self.failure:
            logger.error("The watch has missed changes", extra={"cause": self.failure})
        self.synced = True
        for owner in list(cache.quantumjobs):
            self.router.controller.work_queue.add(owner)
        for namespace in self.router.autoscaler.queue.namespaces():
            self.router.autoscaler.trigger(namespace)

    async def _let_catch_up(
        self, listed: dict[ResourceKind, dict[str, JSON]], before: dict[ResourceKind, set[str]]
    ) -> None:
        """Waits until the watch has delivered the listed versions, at most GRACE_SECONDS."""
        deadline = asyncio.get_running_loop().time() + GRACE_SECONDS
        while any(self._differing(kind, listed[kind], before[kind]) for kind in KINDS):
            if asyncio.get_running_loop().time() > deadline:
                return
            await asyncio.sleep(POLL_SECONDS)

    def _differing(self, kind: ResourceKind, listed: dict[str, JSON], before: set[str]) -> list[JSON]:
        """Returns the objects that are newer in the list, or that the list lacks though the cache had them before."""
        cache = self.router.controller.cache
        known = cache.versions(kind.plural)
        unfinished = {uid: version(item) for uid, item in listed.items() if not cache.is_finished(uid)}
        late = outdated(unfinished, known)
        gone = (before - listed.keys()) & known.keys()
        return [listed[uid] for uid in late] + cache.find(kind.plural, gone)

    async def _apply_missed(self, kind: ResourceKind, differing: list[JSON]) -> int:
        """Applies the current version of each object. Returns how many changes the watch has missed."""
        cache, kube, missed = self.router.controller.cache, self.router.controller.kube, 0
        for item in differing:
            meta = item["metadata"]
            newest = await kube.get(kind, meta["namespace"], meta["name"])
            known = cache.versions(kind.plural).get(meta["uid"])
            if newest is not None and newest["metadata"]["uid"] == meta["uid"]:
                finished = kind is QUANTUMJOBS and status.is_terminal(newest.get("status", {}))
                missed += (known is not None) if finished else (known is None or known < version(item))
                self.router.handler_of(kind)(newest, finished)
            elif known is not None:
                missed += 1
                self.router.handler_of(kind)(item, True)
        return missed

    async def _list(self, kind: ResourceKind) -> AsyncIterator[JSON]:
        selector = {"fields": status.UNFINISHED} if kind is QUANTUMJOBS else {"labels": names.LABEL_WORKER}
        namespaces: list[str | None] = [*self.namespaces] or [None]
        for namespace in namespaces:
            async for item in self.router.controller.kube.list(kind, namespace, metadata_only=True, **selector):
                if is_relevant(kind, item):
                    yield item
