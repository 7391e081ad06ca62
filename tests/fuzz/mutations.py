"""Mutations of a seed: of bytes, statements of a text, numbers of a QPY file, and JSON values."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

Step = Callable[[Random, bytes, Sequence[bytes]], bytes]

LARGEST: Final = 200_000
"""Bytes of a case. The loaders' limit of 16 MiB has tests of its own; such cases would take all the time."""
NUMBERS: Final = (
    b"0", b"1", b"-1", b"2", b"63", b"64", b"1024", b"1025", b"65535", b"2147483648", b"9" * 20, b"9" * 400,
    b"1e400", b"-1e400", b"1e-400", b"nan", b"inf", b"0.5", b"1/0", b"0x10", b"1_0", b".", b"pi", b"10ns", b"3im",
)  # fmt: skip
WORDS: Final = (
    b"gate", b"opaque", b"qreg", b"creg", b"qubit", b"bit", b"measure", b"reset", b"barrier", b"if", b"else",
    b"while", b"for", b"in", b"switch", b"case", b"default", b"break", b"continue", b"end", b"return", b"let",
    b"input", b"output", b"const", b"float[64]", b"int[32]", b"uint[8]", b"angle[20]", b"bool", b"duration",
    b"stretch", b"delay[10ns]", b"box", b"ctrl @", b"negctrl(2) @", b"inv @", b"pow(0.5) @", b"def", b"extern",
    b"cal", b"defcal", b'defcalgrammar "openpulse";', b"#pragma", b"@annotation", b"U", b"CX", b"gphase(1);",
    b'include "/etc/passwd";', b'include "../../../../etc/passwd";', b'include "/proc/self/environ";',
    b'include "qelib1.inc";', b'include "stdgates.inc";', b"OPENQASM 2.0;", b"OPENQASM 3.1;", b"$0", b"$1023",
    b"->", b"==", b"!=", b"<=", b"&&", b"||", b"^", b"<<", b"**", b"~", b"!", b"+", b"-", b"*", b"/", b"%", b"@",
    b"(", b")", b"[", b"]", b"{", b"}", b";", b",", b":", b'"', b"'", b"/*", b"*/", b"//", b"\n", b"\r", b"\t",
    b"sin", b"ln", b"sqrt", b"h", b"cx", b"u3", b"store", b"save_statevector", b"true", b"false",
    "π".encode(), "𝜽".encode(), "\u202e".encode(), b"\0", b"\xff", b"\xed\xa0\x80",
)  # fmt: skip
INTEGERS: Final = (0, 1, 2, 7, 13, 127, 128, 255, 256, 1024, 1025, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)
CLASSES: Final = (
    b"HGate", b"XGate", b"RXGate", b"U3Gate", b"CXGate", b"CU3Gate", b"CCXGate", b"MCXGate", b"Measure", b"Reset",
    b"Barrier", b"Delay", b"IfElseOp", b"ForLoopOp", b"WhileLoopOp", b"SwitchCaseOp", b"BreakLoopOp", b"BoxOp",
    b"UnitaryGate", b"Initialize", b"PauliEvolutionGate", b"ControlledGate", b"Instruction",
    b"Gate", b"Store", b"ParameterVector", b"DiagonalGate", b"Permutation", b"PhaseOracleGate",
    b"BooleanExpression", b"Clifford", b"AnnotatedOperation",
)  # fmt: skip
PAIRS: Final = ((b"(", b")"), (b"{", b"}"), (b"[", b"]"), (b"if(c==1){", b"}"), (b"-", b""), (b"!", b""))
VALUES: Final[tuple[Any, ...]] = (
    None, True, 0, -1, 1, 0.5, 1e308, -1e308, 5e-324, 2**63, 10**400, "", "Z", "ZZ", "XYZI" * 300, "\ud800", "0", "0-1",
    "1-0", "1023", "1024", "-1", [], {}, [[]], [[[]]], [0.1, [0.2]], {"": 1}, {"ZZ": 1e308, "XX": 1e308},
    "a, b", "t[0:3]", "t[0:999999]", "a,,b", [[0.1] * 50] * 50,
)  # fmt: skip


def flip(rng: Random, data: bytes, _others: Sequence[bytes]) -> bytes:
    """Flips one to four bits."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(rng: Random, data: bytes, _others: Sequence[bytes]) -> bytes:
    """Removes a piece."""
    start, end = _span(rng, data)
    return data[:start] + data[end:]


def truncate(rng: Random, data: bytes, _others: Sequence[bytes]) -> bytes:
    """Removes the end."""
    return data[: rng.randrange(len(data) + 1)]


def repeat(rng: Random, data: bytes, _others: Sequence[bytes]) -> bytes:
    """Repeats a piece, up to a hundred times."""
    start, end = _span(rng, data)
    return data[:end] + data[start:end] * rng.choice([1, 2, 10, 100]) + data[end:]


def splice(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Inserts a piece of another seed, or replaces as many bytes by it."""
    start, end = _span(rng, other := rng.choice(others))
    at = rng.randrange(len(data) + 1)
    return data[:at] + other[start:end] + data[at + rng.choice([0, end - start]) :]


def word(rng: Random, data: bytes, _others: Sequence[bytes]) -> bytes:
    """Inserts a word of the language after another one."""
    at = rng.choice([found.end() for found in re.finditer(rb"\w\b|[;{}()\[\]]", data)] or [0])
    return data[:at] + b" " + rng.choice(WORDS) + b" " + data[at:]


def number(rng: Random, data: bytes, _others: Sequence[bytes]) -> bytes:
    """Replaces a number."""
    return _replaced(rng, data, rb"\b\d+(\.\d+)?", rng.choice(NUMBERS))


def name(rng: Random, data: bytes, _others: Sequence[bytes]) -> bytes:
    """Replaces a name by another."""
    names = re.findall(rb"\b[A-Za-z_]\w*", data) or [b"q"]
    return _replaced(rng, data, rb"\b[A-Za-z_]\w*", rng.choice(names))


def statements(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Drops, doubles or moves a statement, or inserts one of another program."""
    found = re.findall(rb"[^;{}]*[;{}]", data) or [data]
    at, to = rng.randrange(len(found)), rng.randrange(len(found) + 1)
    how = rng.choice(["drop", "double", "move", "other"])
    if how == "other":
        found.insert(to, rng.choice(re.findall(rb"[^;{}]*[;{}]", rng.choice(others)) or [b";"]))
    elif how == "double":
        found[to:to] = [found[at]] * rng.choice([1, 3, 200])
    else:
        moved = found.pop(at)
        if how == "move":
            found.insert(min(to, len(found)), moved)
    return b"".join(found)


def nest(rng: Random, data: bytes, _others: Sequence[bytes]) -> bytes:
    """Nests a piece in brackets or blocks."""
    start, end = _span(rng, data)
    opening, closing = rng.choice(PAIRS)
    depth = rng.choice([1, 5, 60, 99, 1000, 20_000])
    return data[:start] + opening * depth + data[start:end] + closing * depth + data[end:]


def integer(rng: Random, data: bytes, _others: Sequence[bytes]) -> bytes:
    """Overwrites some bytes with a big-endian integer, as a field of QPY is one."""
    size = rng.choice([1, 2, 4, 8])
    at = rng.randrange(max(1, len(data) - size))
    value = rng.choice(INTEGERS) % (1 << 8 * size)
    return data[:at] + value.to_bytes(size, "big") + data[at + size :]


def double(rng: Random, data: bytes, _others: Sequence[bytes]) -> bytes:
    """Overwrites eight bytes with a NaN, an infinity or an extreme number."""
    at = rng.randrange(max(1, len(data) - 8))
    found = rng.choice([math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324])
    return data[:at] + struct.pack("!d", found) + data[at + 8 :]


def class_name(rng: Random, data: bytes, _others: Sequence[bytes]) -> bytes:
    """Replaces the name of a class of Qiskit by another; the length before it stays."""
    return _replaced(rng, data, rb"[A-Z][A-Za-z3]+(Gate|Op)\b|Measure|Reset|Barrier|Delay", rng.choice(CLASSES))


def value(rng: Random, data: bytes, _others: Sequence[bytes]) -> bytes:
    """Replaces, drops, renames, doubles or nests one value of the JSON."""
    try:
        root = [json.loads(data)]
    except (ValueError, RecursionError):
        return data
    holder: Any = root
    while True:
        key = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        inner = holder[key]
        if not isinstance(inner, dict | list) or not inner or rng.random() < 0.3:
            break
        holder = inner
    how = rng.choice(["replace", "replace", "replace", "drop", "key", "nest", "double"])
    if how == "nest":
        for _ in range(rng.choice([1, 5, 7])):
            inner = [inner]
        holder[key] = inner
    elif how == "drop" and holder is not root:
        del holder[key]
    elif how == "key" and isinstance(holder, dict):
        holder[str(rng.choice(VALUES))[:50]] = holder.pop(key)
    elif how == "double" and isinstance(holder, list):
        holder.append(inner)
    else:
        holder[key] = rng.choice(VALUES)
    return json.dumps(root[0]).encode()


BYTES: Final[tuple[Step, ...]] = (flip, cut, truncate, repeat, splice)
TEXT: Final[tuple[Step, ...]] = (*BYTES, *[word, number, name] * 2, *[statements] * 3, nest)
QPY: Final[tuple[Step, ...]] = (*BYTES, flip, *[integer] * 3, *[double, class_name] * 2)
JSON: Final[tuple[Step, ...]] = (*[value] * 5, flip, number, truncate, splice)


def mutated(rng: Random, seeds: Sequence[bytes], steps: Sequence[Step]) -> bytes:
    """Returns a seed after one to eight mutations, mostly one or two."""
    data = rng.choice(seeds)
    for _ in range(min(8, 1 + int(rng.expovariate(1.2)))):
        data = rng.choice(steps)(rng, data, seeds)[:LARGEST]
    return data


def _span(rng: Random, data: bytes) -> tuple[int, int]:
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + 1 + int(rng.expovariate(0.05)))


def _replaced(rng: Random, data: bytes, pattern: bytes, by: bytes) -> bytes:
    places = [found.span() for found in re.finditer(pattern, data)]
    if not places:
        return data
    start, end = rng.choice(places)
    return data[:start] + by + data[end:]
