"""Whose turn it is: the orders of the shared workers, in this process's memory alone.

Nothing here must survive. A restarted operator offers every unfinished job again, after a pause in which workers that
still carry one out say so; and an order given twice does no harm, since keys are written once and seeds are fixed.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from quantumjob_contract.keys import Owner, Shard
from quantumjob_contract.reasons import Reason
from quantumjob_contract.schema.orders import ALIVE_SECONDS
from quantumjob_operator.model.worker_state import Worker
from quantumjob_operator.results.manifest import Failure
from quantumjob_operator.scheduling import policy
from quantumjob_operator.scheduling.assignment import Pod, Turn, is_silent

PAUSE_SECONDS: Final = 2 * ALIVE_SECONDS
"""After a start, in which a worker is heard that got its order from an operator that is gone."""
YIELD_SECONDS: Final = 60.0
"""How long the others make room for a namespace's first worker; what keeps it from starting then is not they."""
FIRST_RETRY_SECONDS: Final = 1.0
DEADLINE_MESSAGE: Final = (
    "The job was not done within spec.activeDeadlineSeconds of its start. Raise it, or split the job."
)


@dataclass
class Room:
    """One namespace. Each turn is in one of the three, oldest first."""

    waiting: dict[Shard, Turn] = field(default_factory=dict)
    given: dict[Shard, Turn] = field(default_factory=dict)
    over: dict[Shard, Turn] = field(default_factory=dict)
    """Ended or given up, and not yet told."""
    jobs: dict[Owner, list[Shard]] = field(default_factory=dict)
    """The shards of each job, in the order of their numbers."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when somebody may have a turn who had none before; whoever waits for it clears it."""
    lanes: int | None = None
    """How many workers can be had, where the cluster gives fewer than allowed."""
    obstacle: Worker | None = None
    """What keeps its workers from starting, where none runs."""


class Queue:
    """The turns of all namespaces. Times are given by the caller, so that a test has no clock to wait for."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        self._rooms: dict[str, Room] = {}
        self._carries: dict[str, Shard] = {}
        """What each pod carries out, by the pod's UID."""
        self._claims: dict[str, tuple[Shard, Pod, datetime]] = {}
        """What pods have said that they carry out, and nobody here has offered yet; by the pod's UID."""
        self._starving: dict[str, datetime] = {}
        """Since when no node has had room for even the first worker of a namespace."""

    def room(self, namespace: str) -> Room:
        return self._rooms.setdefault(namespace, Room())

    def turn(self, shard: Shard) -> Turn | None:
        room = self._rooms.get(shard.owner.namespace)
        if room is None:
            return None
        return room.waiting.get(shard) or room.given.get(shard) or room.over.get(shard)

    def turns(self, owner: Owner) -> list[Turn]:
        """The turns of all shards of a job; empty where it was not offered."""
        room = self._rooms.get(owner.namespace)
        shards = [] if room is None else room.jobs.get(owner, [])
        return [turn for shard in shards if (turn := self.turn(shard)) is not None]

    def offer(self, owner: Owner, turns: Sequence[Turn], now: datetime) -> None:
        """The shards of a job wait for their turns from now on, or are with the workers that have said so."""
        room = self.room(owner.namespace)
        if owner in room.jobs:
            return
        room.jobs[owner] = [Shard(owner, number) for number in range(len(turns))]
        room.waiting |= zip(room.jobs[owner], turns, strict=True)
        room.changed.set()
        for claimed, pod, heard in list(self._claims.values()):
            if claimed in room.waiting and claimed.owner == owner and not is_silent(heard, now):
                self.hear(pod, claimed, now)

    def drop(self, owner: Owner) -> None:
        """A job is finished or gone."""
        room = self._rooms.get(owner.namespace)
        if room is None:
            return
        for shard in room.jobs.pop(owner, []):
            self._take_out(shard)

    def withdraw(self, shard: Shard) -> None:
        """Nobody needs this order any more; those of the job's other shards that are carried out go on to their end."""
        self._take_out(shard)

    def _take_out(self, shard: Shard) -> Turn | None:
        """Out of whichever of the three it is in, and out of its worker's hands."""
        room = self.room(shard.owner.namespace)
        for turns in (room.waiting, room.given, room.over):
            if (turn := turns.pop(shard, None)) is not None:
                if turn.pod is not None and self._carries.get(turn.pod.uid) == shard:
                    del self._carries[turn.pod.uid]
                return turn
        return None

    def take(self, pod: Pod, now: datetime) -> Shard | None:
        """Give a worker the next order. Whatever it had before is no longer in its hands."""
        self.lay_down(pod)
        room = self.room(pod.namespace)
        ready = ((shard, turn) for shard, turn in room.waiting.items() if turn.not_before <= now)
        expected, taken = itertools.tee(ready)
        lanes = self.lanes if room.lanes is None else room.lanes
        index = policy.next_in((turn.weight(now, lanes) for _, turn in expected), _long(room, now), lanes)
        if index is None:
            return None
        shard, _ = next(itertools.islice(taken, index, None))
        self._give(room, shard, pod, now)
        return shard

    def hear(self, pod: Pod, shard: Shard, now: datetime) -> None:
        """A worker says that it carries this order out: that is where it is."""
        room = self.room(shard.owner.namespace)
        if shard in room.waiting:
            self.lay_down(pod)
            self._give(room, shard, pod, now)
        elif (turn := room.given.get(shard)) is not None and turn.pod == pod:
            turn.heard = now
        elif shard.owner not in room.jobs:
            self._claims[pod.uid] = (shard, pod, now)

    def lay_down(self, pod: Pod) -> Shard | None:
        """A worker has nothing in its hands: an order that was there, and did not end, waits again. Gives that."""
        self._claims.pop(pod.uid, None)
        shard = self._carries.pop(pod.uid, None)
        if shard is None:
            return None
        room = self.room(shard.owner.namespace)
        turn = room.given.get(shard)
        if turn is None or turn.pod != pod:
            return None
        del room.given[shard]
        turn.pod = turn.given = turn.heard = None
        room.waiting = {shard: turn} | room.waiting  # it has waited already
        room.changed.set()
        return shard

    def is_claimed(self, owner: Owner, now: datetime) -> bool:
        """Whether a worker says that it carries out what nobody here has offered."""
        return any(claimed.owner == owner and not is_silent(heard, now) for claimed, _, heard in self._claims.values())

    def carried_by(self, pod_uid: str) -> Shard | None:
        return self._carries.get(pod_uid)

    def end(self, shard: Shard) -> bool:
        """A worker says that its last segment is stored. False where nobody here has this order."""
        turn = self._take_out(shard)
        if turn is None:
            return False
        turn.pod, turn.ended = None, True
        self.room(shard.owner.namespace).over[shard] = turn
        return True

    def fail(self, shard: Shard, why: Failure, now: datetime, *, final: bool = False) -> None:
        """An attempt has failed, and no other would do better where this is `final`."""
        turn = self.turn(shard)
        if turn is None:
            return
        if turn.pod is not None:
            self.lay_down(turn.pod)
        turn.attempts += 1
        turn.trouble = why.message
        turn.not_before = now + timedelta(seconds=FIRST_RETRY_SECONDS * 2 ** min(turn.attempts - 1, 5))
        if final:
            self._give_up(shard, why)
        elif turn.attempts > turn.retries:
            self._give_up(shard, Failure(why.reason, f"{why.message} No attempt is left (spec.backoffLimit)."))

    def overdue(self, now: datetime) -> list[Owner]:
        """Take orders from silent workers, give up those whose deadline is over; gives the jobs of all of these."""
        late: list[Shard] = []
        self._claims = {uid: claim for uid, claim in self._claims.items() if not is_silent(claim[2], now)}
        for room in self._rooms.values():
            given = room.given.values()
            silent = [turn.pod for turn in given if turn.pod is not None and is_silent(turn.heard, now)]
            lost = [shard for pod in silent if (shard := self.lay_down(pod)) is not None]
            over = [shard for turns in (room.given, room.waiting) for shard, turn in turns.items() if turn.is_over(now)]
            for shard in over:
                self._give_up(shard, Failure(Reason.DEADLINE_EXCEEDED, DEADLINE_MESSAGE))
            late += lost + over
        return list(dict.fromkeys(shard.owner for shard in late))

    def demand(self, namespace: str, now: datetime) -> int:
        """How many workers a namespace should have."""
        room = self.room(namespace)
        return policy.wanted((turn.expected for turn in room.waiting.values()), _long(room, now), self.lanes)

    def hinder(self, namespace: str, obstacle: Worker | None, lanes: int | None, now: datetime) -> list[Owner]:
        """Note what keeps a namespace's workers from starting; gives the jobs to which that is news."""
        room = self.room(namespace)
        room.lanes = lanes
        if obstacle is not None and obstacle.reason is Reason.UNSCHEDULABLE:
            self._starving.setdefault(namespace, now)
        else:
            self._starving.pop(namespace, None)
        if (room.obstacle and room.obstacle.reason) == (obstacle and obstacle.reason):
            return []  # the words may change each time; they are told once
        room.obstacle = obstacle
        return list(dict.fromkeys(shard.owner for shard in room.waiting))

    def others_starve(self, namespace: str, now: datetime) -> bool:
        """Whether another namespace needs room for its first worker, and may still get it by ours going."""
        return any(
            other != namespace and (now - since).total_seconds() < YIELD_SECONDS and self.room(other).waiting
            for other, since in self._starving.items()
        )

    def prune(self, keep: Container[str]) -> None:
        """Forget namespaces in which nobody waits and nobody works."""
        for namespace, room in list(self._rooms.items()):
            if namespace not in keep and not room.jobs:
                del self._rooms[namespace]
                self._starving.pop(namespace, None)

    def namespaces(self) -> list[str]:
        """Those in which somebody waits."""
        return [namespace for namespace, room in self._rooms.items() if room.waiting]

    def _give(self, room: Room, shard: Shard, pod: Pod, now: datetime) -> None:
        turn = room.waiting.pop(shard)
        turn.pod, turn.given, turn.heard = pod, now, now
        turn.worker = pod.name
        room.given[shard] = turn
        self._carries[pod.uid] = shard
        for each in self.turns(shard.owner):  # the deadline is the job's
            each.first = each.first or now

    def _give_up(self, shard: Shard, failure: Failure) -> None:
        turn = self._take_out(shard)
        if turn is not None:
            turn.pod, turn.failure = None, failure
            self.room(shard.owner.namespace).over[shard] = turn


def _long(room: Room, now: datetime) -> int:
    """How many long orders are being carried out."""
    return sum(policy.is_long(turn.expected, turn.taken(now)) for turn in room.given.values())
