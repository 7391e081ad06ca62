"""The parent process loads no Qiskit, and the child's code no network client: checked in fresh interpreters."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import quantumjob_worker

PACKAGE = Path(quantumjob_worker.__file__).parent
PARENT = ("agent", "inputs", "clients", "isolation")
SIMULATION = ("qiskit", "qiskit_aer", "qiskit_qasm3_import", "openqasm3", "stim", "numpy")
NETWORK = ("urllib3", "ssl", "quantumjob_contract.transfer", *(f"quantumjob_worker.{name}" for name in PARENT[:3]))


def modules(*packages: str) -> list[str]:
    files = sorted(path for package in packages for path in (PACKAGE / package).glob("*.py"))
    assert len(files) > len(packages)
    return [f"quantumjob_worker.{path.parent.name}.{path.stem}" for path in files if path.stem != "__init__"]


def loaded(imports: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """Which of the wanted modules are loaded after these imports."""
    look = f"import sys\nimport {', '.join(imports)}\nprint(*(set({list(wanted)!r}) & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    return sorted(found.stdout.split())


def test_the_parent_loads_no_qiskit_and_no_numpy() -> None:
    parent = ["quantumjob_worker.__main__", "quantumjob_worker.main", *modules(*PARENT)]
    assert loaded(parent, [*SIMULATION, "quantumjob_worker.child"]) == []


def test_the_child_loads_no_network_client() -> None:
    child = ["quantumjob_worker.child", *modules("primitives", "engines", "routing", "passes", "loaders")]
    assert loaded(child, NETWORK) == []


def test_the_look_sees_what_is_loaded() -> None:
    assert loaded(["quantumjob_worker.main"], NETWORK[:2]) == ["ssl", "urllib3"]
    assert loaded(["quantumjob_worker.engines.stim"], SIMULATION) != []
