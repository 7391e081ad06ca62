"""What runs circuits. docs/engines.md says how to add one: a class of this shape, named by an entry point."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Final

from quantumjob_worker.engines import qsim
from quantumjob_worker.engines.aer import Aer
from quantumjob_worker.engines.base import Engine
from quantumjob_worker.engines.stim import Stim

GROUP: Final = "quantumjobs.engines"


@cache
def engines() -> Mapping[str, Engine]:
    """By name: Aer, stim, qsim if it is there, and those that packages in this image name in the entry-point group."""
    found: list[Engine] = [Aer(), Stim(), *qsim.installed()]
    found += [point.load()() for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)]
    return {engine.name: engine for engine in found}
