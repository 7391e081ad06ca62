"""The exceptions that end a pub, an order, and the worker."""

from __future__ import annotations

import os
import traceback
from typing import Final

from quantumjob_contract.exit_codes import Exit
from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.results import PubError

MESSAGE_CHARS: Final = 700
MAX_SHOWN: Final = 10**12
INTERNAL_ERROR: Final = "The worker failed by a defect of its own; see its log."


class PubFailed(Exception):
    """This pub has an error instead of a result. The message is ours: it never quotes the circuit or a library.

    What it names of the user's, parameters and fields, is cut short, and has nothing that a terminal would obey.
    """

    def __init__(self, reason: PubReason, message: str, line: int | None = None, column: int | None = None) -> None:
        plain = "".join(letter if letter.isprintable() else "?" for letter in message[:MESSAGE_CHARS])
        super().__init__(plain)
        self.error = PubError(reason=reason, message=plain, line=line, column=column)


class OrderFailed(Exception):
    """The order ends without its last segment. Becomes `Ended`, and the end of a worker that is the order's own."""

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class WorkerExit(Exception):
    """The worker itself ends. Becomes the exit code and the termination message."""

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class InternalError(Exception):
    """The fork server cannot go on. The message is ours."""


class Stopped(BaseException):
    """SIGTERM arrived. A BaseException, so that no handler of a library's errors takes it for one of its own."""


def too_large(what: str, figure: int, limit: int) -> PubFailed:
    """A figure may be one of thousands of digits in the circuit's text."""
    told = figure if figure < MAX_SHOWN else f"more than {MAX_SHOWN}"
    return PubFailed(PubReason.CIRCUIT_TOO_LARGE, f"The circuit has {told} {what}; the limit is {limit}.")


MessageTable = tuple[tuple[str, PubReason, str], ...]
"""Words of a library's message, which quotes the circuit, and ours for what it says; the most particular first."""


def translate_message(
    message: str, sentences: MessageTable, otherwise: PubFailed, line: int | None = None, column: int | None = None
) -> PubFailed:
    for words, reason, sentence in sentences:
        if words in message:
            return PubFailed(reason, sentence, line, column)
    return otherwise


def describe(failed: BaseException) -> str:
    """Types and code lines of an exception, none of its text: that may quote the circuit."""
    frames = traceback.extract_tb(failed.__traceback__)
    lines = [f"{os.path.basename(frame.filename)}:{frame.lineno}" for frame in frames[-8:]]  # noqa: PTH119  a name, not a path
    return f"{type(failed).__name__} at {' '.join(lines)}"


def out_of_memory(memory: int) -> str:
    return (
        f"The pod's memory limit leaves {memory >> 20} MiB for one pub, and this pub ran out of it. "
        "Raise spec.resources.limits.memory."
    )
