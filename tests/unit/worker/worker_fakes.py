"""A tiny order endpoint and store in one HTTP server, for the worker's tests. Presigned URLs are plain ones here."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from quantumjob_contract import keys
from quantumjob_contract.names import API_VERSION
from quantumjob_contract.schema import program, results
from quantumjob_contract.schema.orders import Order, OrderRequest, SegmentUrl, UrlsRequest

OWNER = keys.Owner("team", "uid-1")
BELL = 'OPENQASM 2.0;include "qelib1.inc";qreg q[2];creg c[2];h q[0];cx q[0],q[1];measure q->c;'


class Fake:
    """Objects by key, a log of requests, and faults: a status to answer instead, by method and key prefix."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.faults: dict[tuple[str, str], list[int]] = {}
        self.orders: list[Order] = []
        """What the order endpoint gives, one after the other; then it answers with `last_answer`."""
        self.last_answer = 410
        self.answers: list[int] = []
        """Statuses with which the order endpoint answers before."""
        self.asked: list[OrderRequest] = []
        self.alive: list[Any] = []
        self.told: list[Any] = []
        """Bodies or statuses that answer signs of life; then it is 403."""
        self.tokens: list[str] = []
        self.connections = 0
        self.url = ""
        self.changed = threading.Condition()

    def fault(self, method: str, key: str) -> int | None:
        for (faulty, prefix), statuses in self.faults.items():
            if method == faulty and key.startswith(prefix) and statuses:
                return statuses.pop(0)
        return None

    def link(self, key: str) -> str:
        return f"{self.url}/store/{key}"

    def pending(self, name: str, owner: keys.Owner = OWNER, shard: int = 0) -> str:
        return keys.segment(keys.Shard(owner, shard), name)

    def next_url(self, name: str, shard: keys.Shard, *, arrays: bool) -> SegmentUrl:
        beside = self.link(keys.arrays(shard, name)) if arrays else ""
        return SegmentUrl(name, self.link(keys.segment(shard, name)), beside)

    def make_order(
        self,
        job: program.Program,
        *,
        shard: int = 0,
        urls: int = 4,
        seconds_left: float | None = None,
        only: bool = True,
        **more: Any,
    ) -> Order:
        """The order of a shard of this job, which the endpoint gives after those that it has already."""
        owner = keys.Owner(job.namespace, job.uid)
        there = sorted(k for k in self.objects if k.startswith(f"{keys.prefix(owner)}{shard}/"))
        names = [segment[1] for k in there if (segment := keys.segment_of(k))]
        start = max((int(n) + 1 for n in names if n.isdecimal()), default=0)
        numbered = [keys.segment_name(n) for n in range(start, start + urls)]
        circuits = {
            pub.circuit.object.key: self.link(f"circuits/{pub.circuit.object.key}")
            for pub in job.pubs
            if pub.circuit.object is not None
        }
        order = Order(
            uid=job.uid,
            shard=shard,
            program_url=self.link(keys.program(owner)),
            program=msgspec.Raw(program.encode(job)),
            circuits=circuits,
            found=[SegmentUrl(name, self.link(self.pending(name, owner, shard))) for name in names],
            next=[
                self.next_url(name, keys.Shard(owner, shard), arrays=any(pub.save for pub in job.pubs))
                for name in numbered
            ],
            last=self.link(self.pending(keys.LAST, owner, shard)),
            last_key=self.pending(keys.LAST, owner, shard),
            seconds_left=seconds_left,
            only=only,
            **more,
        )
        self.orders.append(order)
        return order

    def segment(self, name: str, shard: int = 0, uid: str = OWNER.uid) -> results.Segment:
        return results.decode_segment(self.objects[self.pending(name, keys.Owner(OWNER.namespace, uid), shard)])

    def all_results(self, shard: int = 0, uid: str = OWNER.uid) -> dict[int, results.PubResult]:
        """From a shard's last segment and those that it lists, which must hold each pub once."""
        last = self.segment(keys.LAST, shard, uid)
        found = list(last.pubs)
        for stored in last.segments:
            found += results.decode_segment(self.objects[stored.key]).pubs
        assert max(Counter(result.index for result in found).values(), default=1) == 1
        return {result.index: result for result in found}

    def count(self, method: str, prefix: str = "") -> int:
        return sum(m == method and k.startswith(prefix) for m, k in self.requests)


def job(*sources: str | program.Circuit, shots: int = 100, seed: int = 7, uid: str = OWNER.uid) -> program.Program:
    pubs = [
        program.Pub(
            name=f"pub-{i}",
            circuit=source if isinstance(source, program.Circuit) else program.Circuit("OpenQASM2", inline=source),
            shots=shots,
        )
        for i, source in enumerate(sources)
    ]
    return program.Program(
        api_version=API_VERSION,
        uid=uid,
        namespace=OWNER.namespace,
        name="job",
        primitive="Sampler",
        seed=seed,
        pubs=pubs,
        created="2026-01-01T00:00:00Z",
    )


def fetched(order: Order, **more: Any) -> Order:
    """The order without the program inside, so that it must be fetched."""
    return Order(**{f: getattr(order, f) for f in order.__struct_fields__ if f != "program"} | more)


@contextmanager
def serving() -> Iterator[Fake]:  # noqa: C901  one handler with three verbs
    fake = Fake()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # a kept connection would wait 40 ms for each answer's body

        def setup(self) -> None:
            super().setup()
            fake.connections += 1

        def log_message(self, *_: Any) -> None:
            pass

        def answer(self, status: int, body: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def note(self) -> tuple[str, bytes, int | None]:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            key = self.path.removeprefix("/store/")
            with fake.changed:
                fake.requests.append((self.command, key))
                status = fake.fault(self.command, key)
                fake.changed.notify_all()
            return key, body, status

        def do_GET(self) -> None:
            key, _, status = self.note()
            if status is not None or key not in fake.objects:
                self.answer(status or 404)
            else:
                self.answer(200, fake.objects[key])

        def do_PUT(self) -> None:
            key, body, status = self.note()
            if status is not None:
                self.answer(status)
            elif self.headers.get("If-None-Match") != "*":
                self.answer(400)
            elif key in fake.objects:
                self.answer(412)
            else:
                with fake.changed:
                    fake.objects[key] = body
                    fake.changed.notify_all()
                self.answer(200)

        def do_POST(self) -> None:
            key, body, status = self.note()
            fake.tokens.append(self.headers.get("Authorization", ""))
            if status is not None:
                self.answer(status)
            elif key == "/v1/orders":
                fake.asked.append(question := msgspec.json.decode(body, type=OrderRequest))
                if fake.answers:
                    self.answer(fake.answers.pop(0))
                elif question.leaving or not fake.orders:
                    self.answer(fake.last_answer)
                else:
                    self.answer(200, msgspec.json.encode(fake.orders.pop(0)))
            elif key.endswith("/urls"):
                said = msgspec.json.decode(body, type=UrlsRequest)
                names = [keys.segment_name(n) for n in range(said.start, said.start + 4)]
                uid, number = key.split("/")[3:5]
                shard = keys.Shard(keys.Owner(OWNER.namespace, uid), int(number))
                urls = [fake.next_url(name, shard, arrays=said.arrays) for name in names]
                self.answer(200, msgspec.json.encode(urls))
            else:
                assert key.endswith("/alive")
                fake.alive.append(json.loads(body))
                told = fake.told.pop(0) if fake.told else 403
                if isinstance(told, int):
                    self.answer(told)
                else:
                    self.answer(200, msgspec.json.encode(told))

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
