"""The command line `quantumjob` and `kubectl quantumjob`. No Qiskit and no NumPy, so that it starts fast."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the process."""
    try:
        from quantumjob.cli.commands import run  # noqa: PLC0415  # not in every installation
    except ModuleNotFoundError as missing:
        sys.stderr.write(f"{missing.name} is not installed: install this package with the extra `client`\n")
        sys.exit(70)  # CommandExit.DEFECT, whose module may be what is missing
    sys.exit(run())
