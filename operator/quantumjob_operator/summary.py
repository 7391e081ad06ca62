"""A pub's result in one line, for the manifest and for people who read the resource's status."""

from __future__ import annotations

from typing import Final

from quantumjob_contract import limits
from quantumjob_contract.results import PubResult, PubSummary, Register

SUMMARY_OUTCOMES: Final = 4
SUMMARY_CHARS: Final = 256


def summarize(result: PubResult) -> PubSummary:
    """The most frequent outcomes of each register, or the error and its place."""
    if result.error is not None:
        place = f" (line {result.error.line}, column {result.error.column})" if result.error.line else ""
        return PubSummary(result.name, "Failed", f"{result.error.message}{place}"[:SUMMARY_CHARS], result.error.reason)
    registers = (f"{name} {_top(register)}" for name, register in (result.data or {}).items())
    return PubSummary(result.name, "Succeeded", "; ".join(registers)[:SUMMARY_CHARS])


def _top(register: Register) -> str:
    if register.counts is None:
        return f"more than {limits.MAX_OUTCOMES} outcomes"
    most = sorted(register.counts.items(), key=lambda item: (-item[1], item[0]))
    shown = " ".join(f"{bits}:{count}" for bits, count in most[:SUMMARY_OUTCOMES])
    return shown + (f" and {len(most) - SUMMARY_OUTCOMES} more" if len(most) > SUMMARY_OUTCOMES else "")
