"""Estimates the run time of a program from its text, to tell short jobs from long ones. Pure.

The operator has no Qiskit and parses no circuit. A program that cannot be estimated (QPY, an object in the bucket, a
while loop) counts as long: it may wait longer, and never delays short jobs.
"""

from __future__ import annotations

import re
from typing import Final

from quantumjob_contract.limits import TRAJECTORIES
from quantumjob_contract.pubs import arrays
from quantumjob_contract.schema.program import Program, Pub

SHORT_SECONDS: Final = 2.0
"""A job with a longer estimate or a longer run time is long."""
UNKNOWN_SECONDS: Final = 2 * SHORT_SECONDS

PUB_SECONDS: Final = 0.03
"""Process, parser and store requests, measured with a Bell pub."""
LISTED_SECONDS: Final = 0.004
"""For a pub of `pubsFrom`, measured with small pubs."""
GATE_SECONDS: Final = 1e-4
"""To parse and prepare one gate, mostly by the OpenQASM 3 parser."""
POINT_SECONDS: Final = 3e-4
"""For each further point of a sweep."""
SHOT_SECONDS: Final = 2e-6
AMPLITUDE_SECONDS: Final = 2e-9
"""For one gate on one amplitude of a statevector."""
HEAD_CHARS: Final = 8192
"""Register declarations are searched in this many characters."""
WIDEST: Final = 26
"""Wider circuits do not run as statevectors; their time cannot be estimated here."""

# The text is untrusted: each expression takes linear time, and numbers are truncated.
_REGISTER: Final = re.compile(r"\b(?:qreg\s+\w+\s*\[\s*(\d+)\s*\]|qubit\s*\[\s*(\d+)\s*\])")
_LOOP: Final = re.compile(r"\bin\s*\[\s*(-?\d+)\s*:(?:\s*(-?\d+)\s*:)?\s*(-?\d+)\s*\]")
_DIGITS: Final = 12
_MOST_REPEATS: Final = 10**15
_EACH_SHOT: Final = ("if", "switch", "reset")
"""With one of these words each shot is a run. A word inside of a name is a false match, which is acceptable."""


def shard_seconds(program: Program) -> list[float]:
    """Returns the estimated seconds of each shard."""
    if program.listed is not None:
        each = max(UNKNOWN_SECONDS, program.total * LISTED_SECONDS) / program.shards
        return [each] * program.shards
    noise = program.backend.noise
    noisy = noise is not None and (noise.depolarizing or noise.relaxation or noise.object) is not None
    pubs = [_pub(pub, noisy=noisy) for pub in program.pubs]
    return [sum(pubs[index] for index in program.indices(shard)) for shard in range(program.shards)]


def seconds_left(expected: float, done: int, total: int, elapsed: float) -> float:
    """Returns the remaining seconds: by the estimate at first, increasingly by the measured time per pub."""
    part = done / total if total else 0.0
    measured = elapsed / part if part else 0.0
    whole = part * measured + (1.0 - part) * max(expected, elapsed)
    return max(0.0, whole - elapsed)


def _pub(pub: Pub, *, noisy: bool) -> float:
    text = pub.circuit.inline
    if text is None or pub.circuit.format == "QPY" or "while" in text:
        return UNKNOWN_SECONDS
    width = min(sum(_number(old or new) for old, new in _REGISTER.findall(text[:HEAD_CHARS])), 10**6)
    gates = text.count(";") * _repeats(text)
    if width > WIDEST:
        return UNKNOWN_SECONDS
    points = arrays.points(pub.parameter_values)
    strings = 0 if pub.observables is None else sum(map(len, arrays.observables(pub.observables).terms))
    one_run = (gates + strings) * 2**width * AMPLITUDE_SECONDS
    runs = (pub.shots or TRAJECTORIES) if noisy or any(word in text for word in _EACH_SHOT) else 1
    each = one_run * runs + pub.shots * SHOT_SECONDS
    return float(PUB_SECONDS + gates * GATE_SECONDS + points * each + (points - 1) * POINT_SECONDS)


def _repeats(text: str) -> int:
    """Returns an upper bound of loop iterations, as if all loops were nested."""
    if "for" not in text:
        return 1
    found, known = 1, _LOOP.findall(text)
    for start, step, end in known:
        times = abs(_number(end) - _number(start)) // max(1, abs(_number(step or "1"))) + 1
        found = min(found * times, _MOST_REPEATS)
    loops = len(re.findall(r"\bfor\b", text))
    return found if loops == len(known) else found * 1000


def _number(digits: str) -> int:
    """Parses the first digits: Python's int() takes quadratic time for long numbers."""
    return int(digits[:_DIGITS])
