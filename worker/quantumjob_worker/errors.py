"""Exceptions that end a pub, an order or the worker, and the translation of libraries' messages."""

from __future__ import annotations

import os
import traceback
from typing import Final

from quantumjob_contract.exit_codes import Exit
from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.results import PubError

MESSAGE_CHARS: Final = 700
MAX_PRINTED: Final = 10**12
INTERNAL_ERROR: Final = "The worker had an internal error. See the worker's log."


class PubFailed(Exception):
    """The pub has an error instead of a result. Its message never quotes the circuit or a library's message.

    Names from the spec are truncated, and characters that a terminal would interpret are replaced.
    """

    def __init__(self, reason: PubReason, message: str, line: int | None = None, column: int | None = None) -> None:
        plain = "".join(letter if letter.isprintable() else "?" for letter in message[:MESSAGE_CHARS])
        super().__init__(plain)
        self.error = PubError(reason=reason, message=plain, line=line, column=column)


class OrderFailed(Exception):
    """The order ends without its last segment. Reported as `Ended`; a dedicated worker exits with this code."""

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class WorkerExit(Exception):
    """The worker exits, with this exit code and termination message."""

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class InternalError(Exception):
    """The fork server cannot continue. The message holds nothing of a circuit."""


class Stopped(BaseException):
    """SIGTERM was received. A BaseException, so that `except Exception` does not catch it."""


def too_large(what: str, figure: int, limit: int) -> PubFailed:
    """Returns the error of a circuit above a limit. A figure from its text may have thousands of digits."""
    shown = figure if figure < MAX_PRINTED else f"more than {MAX_PRINTED}"
    return PubFailed(PubReason.CIRCUIT_TOO_LARGE, f"The circuit has {shown} {what}; the limit is {limit}.")


MessageTable = tuple[tuple[str, PubReason, str], ...]
"""Part of a library's message, which may quote the circuit; the reason and the message of the pub's error.
The first match counts."""


def translate_message(
    message: str, sentences: MessageTable, otherwise: PubFailed, line: int | None = None, column: int | None = None
) -> PubFailed:
    """Returns the pub's error for a library's message, `otherwise` if the table has none."""
    for words, reason, sentence in sentences:
        if words in message:
            return PubFailed(reason, sentence, line, column)
    return otherwise


def describe(failed: BaseException) -> str:
    """Returns type and code lines of an exception, without its message, which may quote the circuit."""
    frames = traceback.extract_tb(failed.__traceback__)
    lines = [f"{os.path.basename(frame.filename)}:{frame.lineno}" for frame in frames[-8:]]  # noqa: PTH119  only the name
    return f"{type(failed).__name__} at {' '.join(lines)}"


def out_of_memory(memory: int) -> str:
    return (
        f"The pod's memory limit leaves {memory >> 20} MiB for one pub, and this pub ran out of it. "
        "Raise spec.resources.limits.memory."
    )
