"""Runs jobs through a real S3 server and a worker process: objects, presigned URLs, segments, promotion, reader."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from worker_fakes import Fake, serving

from quantumjob_contract import keys, names
from quantumjob_contract.exit_codes import Exit
from quantumjob_contract.keys import Owner
from quantumjob_contract.reader import Results
from quantumjob_contract.schema.object_ref import ObjectRef
from quantumjob_contract.schema.program import Circuit, Format, Program, Pub, encode
from quantumjob_contract.schema.results import PubResult
from quantumjob_contract.store import Store
from quantumjob_contract.store.aio import AsyncStore
from quantumjob_contract.transfer import sha256
from quantumjob_operator.orders import builder
from quantumjob_operator.results.promotion import promote
from support.jobs import TIME
from support.s3 import Server

NAMESPACE: Final = "corpus"
DEADLINE: Final = 3600.0


@dataclass
class Service:
    """Stands for the operator, with its own code for orders and promotion, but without a check of tokens."""

    store: Store
    orders: Fake
    folder: Path
    _owners: list[Owner] = field(default_factory=list)

    def submit(self, format_: Format, circuits: Mapping[str, bytes], shots: int) -> Owner:
        """Uploads circuits by the names of their pubs, and queues a job of them."""
        owner = Owner(NAMESPACE, str(uuid.uuid4()))
        pubs = []
        for name, data in circuits.items():
            key = f"{owner.uid}/{name}"
            self.store.circuits.put_once(keys.circuit(NAMESPACE, key), data)
            pubs.append(Pub(name, Circuit(format_, object=ObjectRef(key, sha256(data))), shots))
        program = Program(
            api_version=names.API_VERSION, uid=owner.uid, namespace=NAMESPACE, name="corpus", primitive="Sampler",
            seed=7, pubs=pubs, created=TIME,
        )  # fmt: skip
        self.store.pending.put_once(keys.program(owner), encode(program))
        self._owners.append(owner)
        asyncio.run(self._order(owner, program))
        return owner

    async def _order(self, owner: Owner, program: Program) -> None:
        opened = AsyncStore(self.store)
        what = program, encode(program)
        try:
            order = builder.order(opened, keys.Shard(owner, 0), what, found=[], left=DEADLINE, expected=DEADLINE)
        finally:
            await opened.close()
        self.orders.orders.append(order)

    def work(self) -> None:
        """Runs `python -m quantumjob_worker` until no order is left."""
        token = self.folder / "token"
        token.write_text("token")
        environment = {
            "PYTHONPATH": os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path if entry),
            "TMPDIR": str(self.folder),
            names.ENV_ORDERS_URL: self.orders.url,
            names.ENV_TOKEN_FILE: str(token),
        }
        while self.orders.orders:
            command = [sys.executable, "-m", "quantumjob_worker"]
            done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, check=False)
            if done.returncode != Exit.DONE:
                raise RuntimeError(done.stderr.decode()[-2000:])

    def results(self, owner: Owner) -> list[PubResult]:
        """Promotes the job; returns its results from the completed bucket, verified by their checksums."""
        return asyncio.run(self._results(owner))

    async def _results(self, owner: Owner) -> list[PubResult]:
        opened = AsyncStore(self.store)
        try:
            done = await promote(opened, owner, TIME)
        finally:
            await opened.close()
        return list(Results(self.store.completed, owner, done.stored.sha256).pubs())


@contextmanager
def service() -> Iterator[Service]:
    """Starts a SeaweedFS and an order endpoint while the block runs."""
    with tempfile.TemporaryDirectory() as folder, serving() as orders:
        server = Server("seaweedfs", Path(folder) / "seaweedfs")
        server.start()
        try:
            store = server.store()
            for bucket in (store.circuits, store.pending, store.completed):
                bucket.ensure()
            yield Service(store, orders, Path(folder))
        finally:
            server.kill()
