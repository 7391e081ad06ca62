"""The table in docs/limits.md is that of the code."""

from __future__ import annotations

import re
from pathlib import Path

from quantumjob_contract import limits
from quantumjob_worker.isolation.cgroup import memory_budget
from quantumjob_worker.routing import cost_model

TEXT = (Path(__file__).parents[3] / "docs/limits.md").read_text()
UNITS = {"": 1, " KiB": limits.KIB, " MiB": limits.MIB}


def rows() -> dict[str, float]:
    found = re.findall(r"^\| `([A-Z_]+)` \| ([0-9.,e]+)( [KM]iB)? \|", TEXT, re.MULTILINE)
    return {name: float(figure.replace(",", "")) * UNITS[unit] for name, figure, unit in found}


def test_every_limit_is_in_the_table_with_its_value() -> None:
    known = {name: value for name, value in vars(limits).items() if name.isupper() and name not in ("KIB", "MIB")}
    assert rows() == known


def test_widths_by_memory_are_those_of_the_cost_model() -> None:
    for gib, state, matrix in re.findall(r"^\| (\d+) GiB \| (\d+) qubits \| (\d+) qubits \|", TEXT, re.MULTILINE):
        room = cost_model.available(memory_budget(int(gib) << 30))
        assert cost_model.statevector_bytes(int(state)) <= room < cost_model.statevector_bytes(int(state) + 1)
        assert cost_model.density_matrix_bytes(int(matrix)) <= room < cost_model.density_matrix_bytes(int(matrix) + 1)
