"""JSON Lines by bytes: a pub for each line that is not blank. One rule for who counts them and for who reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

BLANK: Final = b" \t\r"
_LINE: Final = re.compile(rb"[^ \t\r\n][^\n]*")
"""What a line holds, from its first byte that is not blank on."""


class LineCounter:
    """Counts the lines of an object that comes in pieces. Costs little, whatever the pieces hold."""

    def __init__(self) -> None:
        self.lines = 0
        self._open = False
        """Whether the line that has not ended yet is counted already."""

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
    """Where each line is."""
    start = 0
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        if data[start:end].strip(BLANK):
            yield slice(start, end)
        start = end + 1
