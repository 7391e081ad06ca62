"""Summarizes a pub's result in one line, for the manifest and the status. Pure."""

from __future__ import annotations

import math
from typing import Final

from quantumjob_contract import limits
from quantumjob_contract.schema.results import Expectations, PubResult, PubSummary, Register

SUMMARY_OUTCOMES: Final = 4
SUMMARY_VALUES: Final = 8
SUMMARY_CHARS: Final = 256


def summarize(result: PubResult) -> PubSummary:
    """Returns the most frequent outcomes, the first expectation values, or the error and its position."""
    if result.error is not None:
        place = f" (line {result.error.line}, column {result.error.column})" if result.error.line else ""
        return PubSummary(result.name, "Failed", f"{result.error.message}{place}"[:SUMMARY_CHARS], result.error.reason)
    if result.expectations is not None:
        return PubSummary(result.name, "Succeeded", _values(result.expectations)[:SUMMARY_CHARS])
    registers = (f"{name} {_top(register)}" for name, register in (result.data or {}).items())
    arrays = (f"{name} {found.shape}" for name, found in result.arrays.items())
    return PubSummary(result.name, "Succeeded", "; ".join((*registers, *arrays))[:SUMMARY_CHARS])


def _values(found: Expectations) -> str:
    shown = " ".join(
        f"{value:.6g}" + (f"±{error:.2g}" if error else "")
        for value, error in zip(found.evs[:SUMMARY_VALUES], found.stds[:SUMMARY_VALUES], strict=True)
    )
    return shown + (f" and {len(found.evs) - SUMMARY_VALUES} more" if len(found.evs) > SUMMARY_VALUES else "")


def _top(register: Register) -> str:
    points = f"{math.prod(register.shape)} points " if register.shape else ""
    if register.counts is None:
        return f"{points}more than {limits.MAX_OUTCOMES} outcomes"
    most = sorted(register.counts.items(), key=lambda item: (-item[1], item[0]))
    shown = " ".join(f"{bits}:{count}" for bits, count in most[:SUMMARY_OUTCOMES])
    return points + shown + (f" and {len(most) - SUMMARY_OUTCOMES} more" if len(most) > SUMMARY_OUTCOMES else "")
