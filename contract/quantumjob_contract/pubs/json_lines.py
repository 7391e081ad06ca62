"""Finds the lines of JSON Lines in bytes; blank lines do not count. Shared by operator (counts) and worker (reads)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

BLANK: Final = b" \t\r"
_LINE: Final = re.compile(rb"[^ \t\r\n][^\n]*")
"""A line from its first byte that is not blank on."""


class LineCounter:
    """Counts the lines of an object that arrives in pieces, in time linear in its bytes."""

    def __init__(self) -> None:
        self.lines = 0
        self._open = False
        """Whether the line that continues in the next piece is counted already."""

    def add(self, piece: bytes) -> None:
        start = 0
        if self._open:
            end = piece.find(b"\n")
            if end < 0:
                return
            start = end + 1
        self.lines += sum(1 for _ in _LINE.finditer(piece, start))
        self._open = bool(piece[max(start, piece.rfind(b"\n") + 1) :].strip(BLANK))


def spans(data: bytes) -> Iterator[slice]:
    """Yields the place of each line."""
    start = 0
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        if data[start:end].strip(BLANK):
            yield slice(start, end)
        start = end + 1
