"""The command line: `quantumjob`, or `kubectl quantumjob`."""

from __future__ import annotations

import sys


def main() -> None:
    """The process."""
    try:
        from quantumjob.cli.commands import run  # noqa: PLC0415  # not in every installation
    except ModuleNotFoundError as missing:
        sys.stderr.write(
            f"{missing.name} is not installed: the command line needs the extra `client` of this package\n"
        )
        sys.exit(70)  # exits.Exit.DEFECT, which may be what is missing
    sys.exit(run())
