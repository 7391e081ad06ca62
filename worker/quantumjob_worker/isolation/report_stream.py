"""Parses the stream of a child: reports and saved arrays, which are neither decoded nor copied."""

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
"""Largest header of an array's file, before its values."""
MAX_REPORT_BYTES: Final = max(MAX_SEGMENT_BYTES, MAX_SAVED_BYTES + KIB)
"""Largest report, and largest sum of a pub's arrays."""
LARGE_BLOCK_BYTES: Final = 1 << 16
"""A larger block is not copied: the bytes after it are copied instead."""

OnReport = Callable[[ipc.PubReport], None]


class ReportParser:
    """Extracts a given number of reports from the bytes that a child sends."""

    def __init__(self, pubs: int, on_report: OnReport) -> None:
        self._left = pubs
        self._on_report = on_report
        self._data = bytearray()
        self._report: ipc.PubReport | None = None
        """The report whose arrays are received now."""
        self._arrays: list[memoryview] = []
        self._broken = False

    def take(self, chunk: bytes) -> bool:
        """Calls `on_report` for each complete report. Returns False on invalid input; all further bytes are ignored."""
        self._data += chunk
        while self._left and (block := self._block()) is not None:
            if not self._decode_block(block):
                self._broken, self._left = True, 0
        self._broken = self._broken or len(self._data) > MAX_REPORT_BYTES
        if self._broken:
            self._left, self._data = 0, bytearray()
        return not self._broken

    def _block(self) -> memoryview | None:
        """Removes and returns the next block; None if it is incomplete."""
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


def is_valid(report: ipc.PubReport, task: ipc.Task) -> bool:
    """Whether a report has exactly the arrays that its pub saves, of declared type and size; none with an error."""
    wanted = [] if report.result.error is not None else task.save
    found = report.result.arrays
    if list(found) != [saved_arrays.KINDS[save].name for save in wanted] or len(found) != len(report.arrays):
        return False
    return all(
        saved_arrays.is_of(about, save)
        and 0 < len(data) - math.prod(about.shape) * saved_arrays.item_bytes(save) <= MAX_HEADER_BYTES
        for save, about, data in zip(wanted, found.values(), report.arrays, strict=True)
    )
