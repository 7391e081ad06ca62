"""Simulators with the interface of `base.Engine`: Aer, stim and qsim. docs/engines.md describes how to add one."""

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
    """Returns engines by name: Aer, stim, qsim if installed, and those of the entry-point group."""
    found: list[Engine] = [Aer(), Stim(), *qsim.installed()]
    found += [point.load()() for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)]
    return {engine.name: engine for engine in found}
