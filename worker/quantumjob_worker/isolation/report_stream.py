"""What a child sends: reports, and the arrays that their pubs save. Neither read nor copied here: there is no NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import msgspec

from quantumjob_contract.limits import KIB, MAX_SAVED_BYTES, MAX_SEGMENT_BYTES
from quantumjob_contract.schema import saved_arrays
from quantumjob_contract.schema.decoding import decode
from quantumjob_worker import ipc

MAX_HEADER_BYTES: Final = 256
"""Bytes of an array's file before its values, at most."""
MAX_REPORT_BYTES: Final = max(MAX_SEGMENT_BYTES, MAX_SAVED_BYTES + KIB)
"""Bytes of a report, or of all arrays of a pub, and of what is held of the next."""
LARGE_BLOCK_BYTES: Final = 1 << 16
"""A block of this size is not copied: what came after it goes elsewhere instead."""

OnReport = Callable[[ipc.Report], None]


class ReportParser:
    """Takes so many reports out of what a child sends."""

    def __init__(self, pubs: int, on_report: OnReport) -> None:
        self._left = pubs
        self._on_report = on_report
        self._data = bytearray()
        self._report: ipc.Report | None = None
        """Whose arrays are still to come."""
        self._arrays: list[memoryview] = []
        self._broken = False

    def take(self, chunk: bytes) -> bool:
        """Hear those that are whole by now. False where the child says something else: no more of it is heard."""
        self._data += chunk
        while self._left and (block := self._block()) is not None:
            if not self._decode_block(block):
                self._broken, self._left = True, 0
        self._broken = self._broken or len(self._data) > MAX_REPORT_BYTES
        if self._broken:
            self._left, self._data = 0, bytearray()
        return not self._broken

    def _block(self) -> memoryview | None:
        """The next block, taken from what has come; None where it is not whole."""
        head = ipc.LENGTH.size
        if len(self._data) < head:
            return None
        end = head + ipc.LENGTH.unpack_from(self._data)[0]
        if len(self._data) < end:
            return None
        if end < LARGE_BLOCK_BYTES:
            block = memoryview(bytes(self._data[head:end]))
            del self._data[:end]
            return block
        whole, self._data = self._data, self._data[end:]
        return memoryview(whole)[head:end]

    def _decode_block(self, block: memoryview) -> bool:
        if self._report is None:
            try:
                self._report = decode(block, ipc.REPORT)
            except msgspec.DecodeError:
                return False
        else:
            self._arrays.append(block)
        wanted = len(self._report.result.arrays)
        if wanted > len(saved_arrays.KINDS) or sum(map(len, self._arrays)) > MAX_REPORT_BYTES:
            return False
        if len(self._arrays) == wanted:
            report = msgspec.structs.replace(self._report, arrays=self._arrays)
            self._report, self._arrays = None, []
            self._left -= 1
            self._on_report(report)
        return True


def is_sound(report: ipc.Report, task: ipc.Task) -> bool:
    """Whether a child has sent what its pub saves: each array, of its type, as large as it says. None with an error."""
    wanted = [] if report.result.error is not None else task.save
    found = report.result.arrays
    if list(found) != [saved_arrays.KINDS[save].name for save in wanted] or len(found) != len(report.arrays):
        return False
    return all(
        saved_arrays.is_of(about, save)
        and 0 < len(data) - math.prod(about.shape) * saved_arrays.item_bytes(save) <= MAX_HEADER_BYTES
        for save, about, data in zip(wanted, found.values(), report.arrays, strict=True)
    )
