"""A lexer for OpenQASM 3 texts that takes linear time for any input."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from quantumjob_contract.reasons import PubReason
from quantumjob_worker.errors import PubFailed

_TOKEN: Final = re.compile(
    r"""
    (?P<space>\s+ | //[^\n]*)
  | (?P<comment>/\*)
  | (?P<string>["'])
  | (?P<word>[^\W\d]\w*)
  | (?P<physical>\$\d+)
  | (?P<number>\.?\d[\w.]*)
  | (?P<symbol>.)
    """,
    re.VERBOSE,
)


class Token(NamedTuple):
    kind: str
    """word, number, string, physical, symbol."""
    text: str
    """For a string: without the quotes."""
    start: int


def tokenize(text: str) -> Iterator[Token]:
    """Yields tokens without space and comments. Raises PubFailed at an unterminated string or comment."""
    position = 0
    match = _TOKEN.match
    while found := match(text, position):
        kind = found.lastgroup or ""
        start, position = found.span()
        if kind == "space":
            continue
        if kind == "comment":
            position = _end(text, "*/", position, start) + 2
        elif kind == "string":
            end = _end(text, found.group(), position, start)
            yield Token("string", text[position:end], start)
            position = end + 1
        else:
            yield Token(kind, found.group(), start)


def place(text: str, position: int) -> tuple[int, int]:
    """Returns line and column, both from 1."""
    return text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position)


def syntax_error(text: str, position: int, message: str) -> PubFailed:
    return PubFailed(PubReason.SYNTAX_ERROR, message, *place(text, position))


def decode(data: bytes) -> str:
    """Decodes the text of a circuit. Raises PubFailed unless it is UTF-8 without NUL."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise PubFailed(PubReason.SYNTAX_ERROR, "The circuit's text is not valid UTF-8.") from None
    if "\0" in text:
        raise PubFailed(PubReason.SYNTAX_ERROR, "The circuit's text contains a NUL character.")
    return text


def _end(text: str, mark: str, position: int, start: int) -> int:
    end = text.find(mark, position)
    if end < 0:
        raise syntax_error(text, start, "A comment or a string is not terminated.")
    return end
