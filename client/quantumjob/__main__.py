"""`python -m quantumjob`."""

from __future__ import annotations

from quantumjob.cli import main

main()
