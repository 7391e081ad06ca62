"""Messages between the parent, the fork server and a child. Both sides import it.

    parent -> server   a packet for each child: `ForkRequest` with the child's end of a socket pair (SCM_RIGHTS);
                       or KILL; or WARM_UP
    server -> parent   a packet: `ServerReady` once, then a `ChildExit` for each child; or `ServerFailed` as the last
    parent -> child    for each pub two blocks, a `Task` and the circuit's bytes, until the end of the stream
    child -> parent    for each pub a `PubReport`, then a block for each array that the pub saves

A block is its length in eight bytes and its bytes. The fork server receives neither circuits nor results.
"""

from __future__ import annotations

import contextlib
import struct
from typing import Any, BinaryIO, Final

import msgspec

from quantumjob_contract.schema.backend import Method, NoiseModel, Precision
from quantumjob_contract.schema.program import Format, Primitive
from quantumjob_contract.schema.results import PubResult
from quantumjob_contract.schema.saved_arrays import Save

KILL: Final = b"kill"
"""Asks the fork server to kill the running child."""
WARM_UP: Final = b"warm up"
"""Asks the fork server to initialize, between two children, what each child would initialize again."""
MAX_PACKET: Final = 4096
LENGTH: Final = struct.Struct("!Q")


class ForkRequest(msgspec.Struct, frozen=True):
    """Asks the fork server for a child, which receives its pubs by the attached descriptor."""

    seconds: float | None
    """Until the child is killed; None for no limit."""
    memory: int
    """Bytes."""
    threads: int
    formats: list[Format]
    """The formats of the circuits, whose parsers are imported before the fork."""


class ServerReady(msgspec.Struct, frozen=True, tag="ready"):
    """The fork server has imported Qiskit and Aer."""

    imported: str
    """RFC 3339."""


class ServerFailed(msgspec.Struct, frozen=True, tag="broken"):
    """The fork server exits after an internal error."""

    message: str


class ChildExit(msgspec.Struct, frozen=True, tag="end"):
    """A child has exited and was reaped."""

    signal: int
    """The signal that ended the child; 0 if it exited by itself."""
    timed_out: bool
    peak: int
    """Peak resident memory in bytes."""


class Task(msgspec.Struct, frozen=True):
    """One pub, without the circuit's bytes, which follow in a block."""

    index: int
    name: str
    format: Format
    shots: int
    seed: int
    threads: int
    memory: int
    """Bytes that the child may use."""
    parse_seconds: float
    """CPU seconds to load the circuit."""
    method: Method = "automatic"
    amplitudes: Precision = "double"
    noise: NoiseModel | None = None
    seconds_left: float | None = None
    """Until the job's deadline. The pub's share of it is enforced by the fork server."""
    primitive: Primitive = "Sampler"
    parameter_values: dict[str, Any] = {}
    observables: Any = None
    precision: float | None = None
    save: list[Save] = []


class PubReport(msgspec.Struct, frozen=True):
    """What a child sends for one pub: its result or error, the times, and a trace for the log."""

    result: PubResult
    load: float
    """Seconds to load the circuit."""
    run: float
    """Seconds to run it."""
    trace: str = ""
    """Types and line numbers of an exception, without values."""
    arrays: list[memoryview] = []
    """The saved arrays in the order of `result.arrays`, in NumPy's file format. Sent as blocks after the JSON."""


REPORT: Final = msgspec.json.Decoder(PubReport)
TASK: Final = msgspec.json.Decoder(Task)
"""Created before the fork: otherwise each child would analyse the type again."""


def pack(*blocks: bytes) -> bytes:
    """Returns the blocks as they are sent."""
    return b"".join(part for data in blocks for part in (LENGTH.pack(len(data)), data))


def write_report(stream: BinaryIO, report: PubReport) -> None:
    """Writes a report and its arrays."""
    stream.write(pack(msgspec.json.encode(msgspec.structs.replace(report, arrays=[]))))
    for data in report.arrays:
        stream.write(LENGTH.pack(len(data)))
        stream.write(data)
    stream.flush()


def read_pairs(stream: BinaryIO) -> list[tuple[bytes, bytes]]:
    """Reads two blocks for each pub until the end of the stream."""
    pairs: list[tuple[bytes, bytes]] = []
    with contextlib.suppress(EOFError):
        while True:
            pairs.append((_read_block(stream), _read_block(stream)))
    return pairs


def _read_block(stream: BinaryIO) -> bytes:
    return _read(stream, LENGTH.unpack(_read(stream, LENGTH.size))[0])


def _read(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data
