"""How long a program will take, from its text alone: enough to tell a short job from a long one. Pure.

The operator has no Qiskit and parses nothing. What it cannot judge (QPY, an object in the bucket, a loop without an
end) counts as long, which costs such a job at most a wait, and the short ones nothing.
"""

from __future__ import annotations

import re
from typing import Final

from quantumjob_contract.limits import TRAJECTORIES
from quantumjob_contract.pubs import arrays
from quantumjob_contract.schema.program import Program, Pub

SHORT_SECONDS: Final = 2.0
"""What is expected to take longer, or has taken longer, is long."""
UNKNOWN_SECONDS: Final = 2 * SHORT_SECONDS

PUB_SECONDS: Final = 0.03
"""A process, the parser, the way to the store: measured for a Bell pub."""
LISTED_SECONDS: Final = 0.004
"""A small one of very many."""
GATE_SECONDS: Final = 1e-4
"""To parse one gate and make it ready; the OpenQASM 3 parser takes most of it."""
POINT_SECONDS: Final = 3e-4
"""Another point of a sweep."""
SHOT_SECONDS: Final = 2e-6
AMPLITUDE_SECONDS: Final = 2e-9
"""For one gate on one amplitude of a statevector."""
HEAD_CHARS: Final = 8192
"""Where registers are declared."""
WIDEST: Final = 26
"""A statevector beyond this many qubits is not what runs; what does cannot be told from here."""

# Hostile text is read here, too: each of these takes time in proportion to the text, and figures are cut short.
_REGISTER: Final = re.compile(r"\b(?:qreg\s+\w+\s*\[\s*(\d+)\s*\]|qubit\s*\[\s*(\d+)\s*\])")
_LOOP: Final = re.compile(r"\bin\s*\[\s*(-?\d+)\s*:(?:\s*(-?\d+)\s*:)?\s*(-?\d+)\s*\]")
_DIGITS: Final = 12
_MOST_REPEATS: Final = 10**15
_EACH_SHOT: Final = ("if", "switch", "reset")
"""Words for which a circuit is run anew for each shot. To search for a word in a name is wrong at times, and quick."""


def shard_seconds(program: Program) -> list[float]:
    """Seconds that a worker will need for each shard of the program."""
    if program.listed is not None:
        each = max(UNKNOWN_SECONDS, program.total * LISTED_SECONDS) / program.shards
        return [each] * program.shards
    noise = program.backend.noise
    noisy = noise is not None and (noise.depolarizing or noise.relaxation or noise.object) is not None
    pubs = [_pub(pub, noisy=noisy) for pub in program.pubs]
    return [sum(pubs[index] for index in program.indices(shard)) for shard in range(program.shards)]


def seconds_left(expected: float, done: int, total: int, elapsed: float) -> float:
    """Seconds until the end: by the estimate at first, and the more pubs are done, by the time that those took."""
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
    """How often the body of all loops together runs at most: as if each were inside the one before."""
    if "for" not in text:
        return 1
    found, known = 1, _LOOP.findall(text)
    for start, step, end in known:
        times = abs(_number(end) - _number(start)) // max(1, abs(_number(step or "1"))) + 1
        found = min(found * times, _MOST_REPEATS)
    loops = len(re.findall(r"\bfor\b", text))
    return found if loops == len(known) else found * 1000


def _number(digits: str) -> int:
    """Of a figure too long to be meant, its beginning: Python takes quadratic time for such, and then refuses."""
    return int(digits[:_DIGITS])
