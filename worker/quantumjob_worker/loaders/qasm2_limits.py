"""Checks limits of an OpenQASM 2 text before parsing: 30 bytes can request gigabytes, 400 bytes minutes."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from quantumjob_contract.limits import MAX_OPERATIONS, MAX_QUBITS
from quantumjob_contract.reasons import PubReason
from quantumjob_worker.errors import PubFailed, too_large
from quantumjob_worker.loaders.lexer import place

MAX_DEPTH: Final = 100
"""Nesting of parentheses. The parser recurses, and a stack overflow kills the process."""

_COMMENT: Final = re.compile(r"//[^\n]*")
_PIECE: Final = re.compile(r"[^;{}]+|[;{}]")
_REGISTER: Final = re.compile(r"\s*([qc])reg\s+(\w+)\s*\[\s*(\d+)\s*\]\s*")
_VERSION: Final = re.compile(r"\s*OPENQASM\s+([\w.]+)\s*")
_INCLUDE: Final = re.compile(r'\s*include\s*"qelib1\.inc"\s*')
_WORD: Final = re.compile(r"\s*(\w+)")
_CONDITION: Final = re.compile(r"\s*if\s*\([^)]*\)")
_ARGUMENT: Final = re.compile(r"(\w+)\s*(\[?)")


class Scanned(NamedTuple):
    text: str
    """The text without comments, with the same line numbers."""
    gates: frozenset[str]
    """Names of user-defined gates."""


def scan(text: str) -> Scanned:
    """Checks version, includes, register sizes and number of operations after expansion. Raises PubFailed."""
    text = _COMMENT.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    _check_depth(text)
    counter = _Counter()
    for piece in _PIECE.finditer(text):
        try:
            counter.take(piece.group())
        except PubFailed as failed:
            word = _WORD.match(text, piece.start())
            line, column = place(text, word.start(1) if word else piece.start())
            raise PubFailed(failed.error.reason, failed.error.message, line, column) from None
    return Scanned(text, frozenset(counter.gates))


def _check_depth(text: str) -> None:
    depth = 0
    for found in re.finditer(r"[()]", text):
        depth += 1 if found.group() == "(" else -1
        if depth > MAX_DEPTH:
            line, column = place(text, found.start())
            raise PubFailed(
                PubReason.CIRCUIT_TOO_LARGE,
                f"An expression has more than {MAX_DEPTH} levels of nesting.",
                line,
                column,
            )


class _Counter:
    """Counts operations statement by statement, as if all gate definitions were expanded."""

    def __init__(self) -> None:
        self.gates: set[str] = set()
        self._costs: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._width = {"q": 0, "c": 0}
        self._total = 0
        self._body: str | None = None
        """The gate that is being defined."""
        self._body_cost = 0
        self._pending = ""

    def take(self, piece: str) -> None:
        if piece == "{":
            self._open(self._pending)
        elif piece == "}":
            self._close()
        elif piece == ";":
            self._statement(self._pending)
        else:
            self._pending = piece
            return
        self._pending = ""

    def _open(self, head: str) -> None:
        words = head.split(None, 2)
        if len(words) > 1 and words[0] == "gate":
            name = _WORD.match(words[1])
            self._body = name.group(1) if name else ""
            self._body_cost = 0
            self.gates.add(self._body)

    def _close(self) -> None:
        if self._body is not None:
            self._costs[self._body] = max(1, self._body_cost)
            self._body = None

    def _statement(self, text: str) -> None:
        word = _WORD.match(text)
        if word is None:
            return
        name = word.group(1)
        if self._body is not None:
            self._body_cost += self._costs.get(name, 1)
            self._bound(self._body_cost)
        elif name in ("qreg", "creg"):
            self._register(text)
        elif name == "OPENQASM":
            found = _VERSION.fullmatch(text)
            if found is None or found.group(1) not in ("2", "2.0"):
                raise PubFailed(PubReason.UNSUPPORTED_FORMAT, "The version is not OpenQASM 2.0.")
        elif name == "include":
            if _INCLUDE.fullmatch(text) is None:
                raise PubFailed(PubReason.UNSUPPORTED_FORMAT, 'Only the file "qelib1.inc" can be included.')
        elif name != "opaque":
            self._apply(text, name)

    def _register(self, text: str) -> None:
        found = _REGISTER.fullmatch(text)
        if found is None:
            raise PubFailed(PubReason.SYNTAX_ERROR, "A register needs a name and an integer size.")
        kind, name, digits = found.groups()
        size = int(digits) if len(digits) < 10 else 10**9
        self._sizes[name] = size
        self._width[kind] += size
        if self._width[kind] > MAX_QUBITS:
            raise too_large("qubits" if kind == "q" else "classical bits", self._width[kind], MAX_QUBITS)

    def _apply(self, text: str, name: str) -> None:
        if name == "if":
            text = _CONDITION.sub("", text, count=1)
            word = _WORD.match(text)
            name = word.group(1) if word else ""
        width = 1
        if name != "barrier" and text.count("[") < text.count(",") + 1:  # only registers are broadcast
            arguments = text[text.rfind(")") + 1 :]
            sizes = (self._sizes.get(word, 1) for word, bracket in _ARGUMENT.findall(arguments) if not bracket)
            width = max(sizes, default=1)
        self._total += self._costs.get(name, 1) * max(1, width)
        self._bound(self._total)

    def _bound(self, operations: int) -> None:
        if operations > MAX_OPERATIONS:
            raise too_large("operations or more, with all gate definitions expanded", operations, MAX_OPERATIONS)
