"""What parent, fork server and child say to each other. Small enough to be read at once.

    parent -> server   one packet a child: `ForkRequest` with its end of a socket pair as SCM_RIGHTS; or KILL; or WARM_UP
    server -> parent   one packet: `ServerReady` once, then an `ChildExit` for each child; or `ServerFailed`, and no more
    parent -> child    for each pub a `Task` and the circuit's bytes, each with its length before it, up to the end
    child -> parent    for each pub a `Report`, and each array that it saves, with its length before it

The fork server never sees a circuit or a result.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import Any, Final

import msgspec

from quantumjob_contract.schema.backend import Method, NoiseModel, Precision
from quantumjob_contract.schema.program import Format, Primitive
from quantumjob_contract.schema.results import PubResult
from quantumjob_contract.schema.saved_arrays import Save

KILL: Final = b"kill"
WARM_UP: Final = b"warm up"
"""Between two children: do once what each would else do again."""
MAX_PACKET: Final = 4096
LENGTH: Final = struct.Struct("!Q")


class ForkRequest(msgspec.Struct, frozen=True):
    """Fork a child for the pubs behind the socket that comes along."""

    seconds: float | None
    memory: int
    threads: int
    formats: list[Format]
    """Those of their circuits."""


class ServerReady(msgspec.Struct, frozen=True, tag="ready"):
    """Qiskit and Aer are imported."""

    imported: str


class ServerFailed(msgspec.Struct, frozen=True, tag="broken"):
    """The server ends, by a defect."""

    message: str


class ChildExit(msgspec.Struct, frozen=True, tag="end"):
    """A child is gone."""

    signal: int
    """0 where it was none."""
    timed_out: bool
    peak: int
    """Resident bytes at its highest."""


class Task(msgspec.Struct, frozen=True):
    """One pub; the circuit's bytes follow."""

    index: int
    name: str
    format: Format
    shots: int
    seed: int
    threads: int
    memory: int
    parse_seconds: float
    method: Method = "automatic"
    amplitudes: Precision = "double"
    noise: NoiseModel | None = None
    seconds_left: float | None = None
    """Until the job's deadline; of it this pub has a share."""
    primitive: Primitive = "Sampler"
    parameter_values: dict[str, Any] = {}
    observables: Any = None
    precision: float | None = None
    save: list[Save] = []


class Report(msgspec.Struct, frozen=True):
    """What a child says of a pub. `trace` holds types and code lines, no values: it goes to the log."""

    result: PubResult
    load: float
    run: float
    trace: str = ""
    arrays: list[memoryview] = []
    """Of the pub in the order of `result.arrays`, in NumPy's format. They are no part of the JSON, but follow on it."""


REPORT: Final = msgspec.json.Decoder(Report)
TASK: Final = msgspec.json.Decoder(Task)
"""Made here, before the fork: each child would else work out anew what a Task is."""


def send_blocks(sock: socket.socket, *blocks: bytes) -> None:
    sock.sendall(b"".join(part for data in blocks for part in (LENGTH.pack(len(data)), data)))


def send_report(sock: socket.socket, report: Report) -> None:
    """A report, and what follows on it."""
    send_blocks(sock, msgspec.json.encode(msgspec.structs.replace(report, arrays=[])))
    for data in report.arrays:
        sock.sendall(LENGTH.pack(len(data)))
        sock.sendall(data)


def receive_pairs(sock: socket.socket) -> list[tuple[bytes, bytes]]:
    """Two blocks for each pub, up to the end of the stream."""
    found: list[tuple[bytes, bytes]] = []
    with contextlib.suppress(EOFError):
        while True:
            found.append((_receive_block(sock), _receive_block(sock)))
    return found


def _receive_block(sock: socket.socket) -> bytes:
    return _receive(sock, LENGTH.unpack(_receive(sock, LENGTH.size))[0])


def _receive(sock: socket.socket, size: int) -> bytes:
    data = bytearray(size)
    view = memoryview(data)
    filled = 0
    while filled < size:
        got = sock.recv_into(view[filled:])
        if got == 0:
            raise EOFError
        filled += got
    return bytes(data)
