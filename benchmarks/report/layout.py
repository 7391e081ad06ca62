"""Formats a table for the terminal and for Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.table import Table as RichTable

WIDTH: Final = 120
MISSED: Final = "**missed**"
MET: Final = "met"


@dataclass(frozen=True)
class Table:
    """A title, a head, rows of as many cells, and notes."""

    title: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    notes: str = ""


def markdown(table: Table) -> str:
    lines = [table.head, tuple("---" for _ in table.head), *table.rows]
    notes = f"\n{textwrap.fill(table.notes, WIDTH, break_on_hyphens=False)}\n" if table.notes else ""
    return f"## {table.title}\n\n" + "".join(f"| {' | '.join(cells)} |\n" for cells in lines) + notes


def for_terminal(table: Table) -> RichTable:
    """Returns the table for a terminal."""
    shown = RichTable(*(_plain(cell) for cell in table.head), title=table.title, title_justify="left")
    for cells in table.rows:
        style = "bold red" if MISSED in cells else "green" if MET in cells else None
        shown.add_row(*(_plain(cell) for cell in cells), style=style)
    return shown


def _plain(cell: str) -> str:
    return cell.replace("**", "").replace("`", "")
