"""Prints results: counts, expectation values, histograms; writes saved arrays to files."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from quantumjob import models
from quantumjob.cli import terminal
from quantumjob_contract.pubs.counts import counts
from quantumjob_contract.schema.results import Register

JSON = dict[str, Any]
Row = tuple[str, str, str, str]
MOST: Final = 16
"""Largest number of outcomes shown for a register; JSON has all."""
BAR: Final = 40
PARTIAL_BLOCKS: Final = " ▏▎▍▌▋▊▉"


def table(pubs: list[JSON]) -> None:
    """Prints a row for each outcome, value or error."""
    rows = list(itertools.chain.from_iterable(map(_rows, pubs)))
    terminal.table(
        ("PUB", "OF", "OUTCOME", "VALUE"), rows, right=(3,) if not any(pub.get("error") for pub in pubs) else ()
    )


def histogram(pubs: list[JSON]) -> None:
    """Prints counts as bars, and pubs without counts as a table."""
    for pub in pubs:
        for name, register in (pub.get("data") or {}).items():
            found = tally(register)
            terminal.line(f"{pub['name']} {named(name, register)}: {sum(found.values())} shots")
            most = max(found.values(), default=1)
            shown, rest = common(found)
            for bits, times in shown:
                terminal.line(f"  {bits}  {bar(times / most):<{BAR}} {times}")
            if rest:
                terminal.line(f"  {rest}")
    table([pub for pub in pubs if not pub.get("data")]) if any(not pub.get("data") for pub in pubs) else None


def keep_arrays(found: models.Result | models.Partial, read: Callable[[models.Arrays], bytes], folder: Path) -> None:
    """Writes each `.npz` to a file. Partial results have none."""
    folder.mkdir(parents=True, exist_ok=True)
    for stored in found.arrays if isinstance(found, models.Result) else ():
        (folder / stored.name.replace("/", "-")).write_bytes(read(stored))


def bar(part: float) -> str:
    """Returns a bar of this fraction of the width, to an eighth of a character."""
    full, rest = divmod(round(part * BAR * 8), 8)
    return ("█" * full + PARTIAL_BLOCKS[rest]).rstrip()


def tally(register: JSON) -> dict[str, int]:
    """Returns the counts of a register."""
    return counts(msgspec.convert(register, Register))


def named(register: str, found: JSON) -> str:
    """Returns the register's name and, for a sweep, the number of points that its counts are summed over."""
    points = math.prod(found.get("shape") or ())
    return register if points == 1 else f"{register} ({points} points)"


def common(found: dict[str, int]) -> tuple[list[tuple[str, int]], str]:
    """Returns the most frequent outcomes in descending order, and a note on the others."""
    ordered = sorted(found.items(), key=lambda each: (-each[1], each[0]))
    rest = len(ordered) - MOST
    return ordered[:MOST], f"and {rest} other outcomes: -o json" if rest > 0 else ""


def _rows(pub: JSON) -> Iterator[Row]:
    name = pub["name"]
    if error := pub.get("error"):
        column = f", column {error['column']}" if error.get("column") else ""
        place = f" (line {error['line']}{column})" if error.get("line") else ""
        yield name, "error", error["reason"], error["message"] + place
    for register, found in (pub.get("data") or {}).items():
        shown, rest = common(tally(found))
        of = named(register, found)
        yield from ((name, of, bits, str(times)) for bits, times in shown)
        if rest:
            yield name, of, rest, ""
    for array, about in (pub.get("arrays") or {}).items():
        yield name, array, str(about["shape"]), about["dtype"]
    if expectations := pub.get("expectations"):
        places = itertools.product(*map(range, expectations["shape"]))
        for at, value, spread in zip(places, expectations["evs"], expectations["stds"], strict=True):
            yield (
                name,
                "evs",
                str(list(at)) if at else "",
                f"{value:.6g}" + (f" ± {spread:.2g}" if spread else ""),
            )
