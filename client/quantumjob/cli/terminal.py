"""Writes tables, JSON and lines to standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPE_COLUMNS: Final = 10_000
"""Width without a terminal, so that no line is cut."""


class Output(StrEnum):
    """Formats of the output."""

    TABLE = "table"
    JSON = "json"
    NAME = "name"


def console() -> Console:
    """Returns a console on the present standard output."""
    width = None if sys.stdout.isatty() else PIPE_COLUMNS
    return Console(width=width, markup=False, highlight=False, emoji=False)


def json(value: Any) -> None:
    """Writes indented JSON with the names of the service."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    sys.stdout.write(text + "\n")


def line(text: str) -> None:
    """Writes a line."""
    sys.stdout.write(plain(text) + "\n")


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[int] = ()) -> None:
    """Writes columns in kubectl's style."""
    found = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False, header_style="bold")
    numbers = set(right)
    for place, head in enumerate(heads):
        found.add_column(head, justify="right" if place in numbers else "left", no_wrap=True)
    for row in rows:
        found.add_row(*(Text(plain(str(cell))) for cell in row))
    console().print(found)


def plain(text: str) -> str:
    """Replaces control characters by spaces."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def age(created: str, now: datetime | None = None) -> str:
    """Returns the age in kubectl's form: 5s, 3m, 2h, 4d."""
    seconds = int(((now or datetime.now(UTC)) - datetime.fromisoformat(created)).total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{max(0, seconds)}s"
