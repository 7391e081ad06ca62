"""JSON Lines by bytes: a pub for each line that is not blank. One rule for who counts them and for who reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

BLANK: Final = b" \t\r"


class Counter:
    """Counts the lines of an object that comes in pieces."""

    def __init__(self) -> None:
        self._ended = 0
        self._open = False
        """Whether the line that has not ended yet holds anything."""

    @property
    def lines(self) -> int:
        return self._ended + self._open

    def add(self, piece: bytes) -> None:
        *ended, last = piece.split(b"\n")
        for part in ended:
            self._ended += self._open or bool(part.strip(BLANK))
            self._open = False
        self._open = self._open or bool(last.strip(BLANK))


def spans(data: bytes) -> Iterator[slice]:
    """Where each line is."""
    start = 0
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        if data[start:end].strip(BLANK):
            yield slice(start, end)
        start = end + 1
