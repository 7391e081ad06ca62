"""The whole of it in this process, for clients: the REST service, and a cluster that runs jobs by the worker's code."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import msgspec
from anyio.from_thread import BlockingPortal, start_blocking_portal

from quantumjob_contract import keys, names
from quantumjob_contract.pubs import seeds
from quantumjob_contract.schema import saved_arrays
from quantumjob_contract.schema.program import Program, Pub, encode
from quantumjob_operator.model.validation import accept, is_unseen
from quantumjob_operator.reconcile.pubs_object import inspect
from quantumjob_operator.results.promotion import promote
from quantumjob_worker import child, ipc
from quantumjob_worker.agent import npz, segments
from quantumjob_worker.inputs.pub_list import InlinePubs, ListedPubs, PubList
from support.api import FakeCallerClient, transport
from support.jobs import TIME, only, put, segment
from support.memory import MemoryStore

JSON = dict[str, Any]
TOKEN = "get.list.watch.create.patch.delete~team"
URL = "http://localhost"


class Cluster(FakeCallerClient):
    """Runs each job as it is created, unless `held`; then by `work`."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore()
        self.held = False
        self._working: set[asyncio.Task[None]] = set()

    async def create(self, token: str, namespace: str, body: JSON) -> JSON:
        made = await super().create(token, namespace, body)
        if not self.held:
            task = asyncio.create_task(self.work(made["metadata"]["name"]))
            self._working.add(task)
            task.add_done_callback(self._working.discard)
        return made

    async def work(self, name: str, namespace: str = "team") -> None:
        """From acceptance to the stored result."""
        there = self.objects[namespace, name]
        if is_unseen(there):
            there = there | {"status": {"pubsFrom": await inspect(self.store.opened.circuits, there)}}
        program = accept(there)
        assert isinstance(program, Program)
        pubs = self._pubs(program)
        drawn = seeds.pub_seeds(program.seed, map(pubs.points, range(len(pubs))))
        found = [self._run(program, pubs[index], index, seed) for index, seed in enumerate(drawn)]
        await self.set_status(namespace, name, phase="Running", progress=f"0/{len(found)}")
        of = keys.Owner(namespace, program.uid)
        put(self.store.pending, keys.program(of), encode(program))
        self._write(of, found)
        done = await promote(self.store.opened, of, TIME)
        manifest = done.manifest
        ended = "Failed" if manifest.outcome == "Failed" else "Complete"
        condition = {"type": ended, "status": "True", "reason": manifest.reason, "message": manifest.message}
        await self.set_status(
            namespace,
            name,
            phase=manifest.outcome,
            progress=f"{len(found)}/{len(found)}",
            conditions=[condition],
            results={"uri": done.uri, "sha256": done.stored.sha256},
        )

    def _write(self, of: keys.Owner, reports: list[ipc.PubReport]) -> None:
        """As a worker: arrays beside a numbered segment, the rest in the last."""
        saving = [report for report in reports if report.arrays]
        written = []
        if saving:
            packed = npz.pack(
                (saved_arrays.member(report.result.index, name), data)
                for report in saving
                for name, data in zip(report.result.arrays, report.arrays, strict=True)
            )
            beside = put(self.store.pending, keys.arrays(only(of), "000000"), b"".join(packed.parts))
            first = segment(of, "000000", [report.result for report in saving], [])
            first = msgspec.structs.replace(first, arrays=beside)
            written = [put(self.store.pending, keys.segment(only(of), "000000"), segments.encode(first))]
        rest = [report.result for report in reports if not report.arrays]
        put(
            self.store.pending,
            keys.segment(only(of), keys.LAST),
            segments.encode(segment(of, keys.LAST, rest, written)),
        )

    def _pubs(self, program: Program) -> PubList:
        if program.listed is None:
            return InlinePubs(program.pubs)
        data = self.store.circuits.objects[keys.circuit(program.namespace, program.listed.key)]
        return ListedPubs(program.primitive, program.listed, data)

    def _run(self, program: Program, pub: Pub, index: int, seed: int) -> ipc.PubReport:
        task = ipc.Task(
            index=index,
            name=pub.name,
            format=pub.circuit.format,
            shots=pub.shots,
            seed=seed,
            primitive=program.primitive,
            parameter_values=pub.parameter_values,
            observables=pub.observables,
            precision=pub.precision,
            threads=1,
            memory=1 << 30,
            method=program.backend.method,
            parse_seconds=60.0,
            save=pub.save,
        )
        if pub.circuit.object is not None:
            data = self.store.circuits.objects[keys.circuit(program.namespace, pub.circuit.object.key)]
        else:
            text = (pub.circuit.inline or "").encode()
            data = base64.b64decode(text) if pub.circuit.format == "QPY" else text
        return child.run(task, data)


class Cut(httpx.AsyncByteStream, httpx.SyncByteStream):
    """A body of which no more comes, as a connection shows it."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __iter__(self) -> Iterator[bytes]:
        yield self._data
        raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk


class Wire(httpx.AsyncBaseTransport):
    """Between a client and the service: knows what was sent, and may lose an answer or refuse."""

    def __init__(self, service: httpx.AsyncBaseTransport) -> None:
        self.service = service
        self.sent: list[httpx.Request] = []
        self.lose = 0
        """Answers that are lost on their way, after the service has done its work."""
        self.instead: list[httpx.Response | BaseException] = []
        """What comes in place of the service's next answers."""
        self.cuts: list[int] = []
        """After how many bytes the next bodies are cut."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        if self.instead:
            given = self.instead.pop(0)
            if isinstance(given, httpx.Response):
                return given
            raise given
        answer = await self.service.handle_async_request(request)
        if self.lose:
            self.lose -= 1
            raise httpx.ReadError("the connection was cut")
        body = await answer.aread()
        comes = self.cuts.pop(0) if self.cuts else len(body)
        if comes < int(answer.headers.get("Content-Length", 0)):  # so, too, where the service broke off
            return httpx.Response(answer.status_code, headers=answer.headers, stream=Cut(body[:comes]))
        return answer


class Blocking(httpx.BaseTransport):
    """The same for clients that wait, from their own thread."""

    def __init__(self, portal: BlockingPortal, wire: Wire) -> None:
        self._portal = portal
        self._wire = wire

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def answered() -> httpx.Response:
            answer = await self._wire.handle_async_request(request)
            if not isinstance(answer.stream, Cut):
                await answer.aread()
            return answer

        if self._wire.instead and isinstance(self._wire.instead[0], KeyboardInterrupt):
            raise self._wire.instead.pop(0)  # in this thread, as a person does it
        answer = self._portal.call(answered)
        if isinstance(answer.stream, Cut):
            return answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


class Running:
    """A service that runs, and what a test does to it."""

    def __init__(self, portal: BlockingPortal) -> None:
        self.portal = portal
        self.cluster = Cluster()
        self.wire = Wire(transport(self.cluster, self.cluster.store.opened))
        self.transport = Blocking(portal, self.wire)

    def work(self, name: str) -> None:
        self.portal.call(self.cluster.work, name)

    def forget(self, name: str) -> None:
        """The QuantumJob is deleted."""
        self.portal.call(self.cluster.delete, TOKEN, "team", name)

    def jobs(self) -> list[JSON]:
        return [item for item in self.cluster.objects.values() if item["kind"] == names.KIND]


@contextlib.contextmanager
def running() -> Iterator[Running]:
    with start_blocking_portal() as portal:
        yield Running(portal)
