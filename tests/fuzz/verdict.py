"""Judges how one case ended."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

import quantumjob_contract
import quantumjob_worker
from fuzz.targets import TARGETS, Made, Refused
from quantumjob_contract.limits import MIB
from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.results import PubError
from quantumjob_worker import ipc
from quantumjob_worker.errors import PubFailed, WorkerExit
from quantumjob_worker.isolation import limits, report_stream
from quantumjob_worker.isolation.runner import Runner, child_error

SHARE_SECONDS: Final = 10.0
"""Run time of a case."""
GRACE_SECONDS: Final = 10.0
"""For a kill and a fork on a busy machine."""
QUOTE: Final = 8
"""Characters in a row that count as a quotation of the input, unless they occur in our own sources or are digits."""
LONGEST: Final = 700
"""Characters of a message."""
NAMING: Final = frozenset({PubReason.UNBOUND_PARAMETERS, PubReason.UNKNOWN_PARAMETERS, PubReason.INVALID_PUB})
"""Their messages name parameters and fields of the user on purpose."""
TRACE: Final = re.compile(r"\w+ at( [\w.<>-]+:(\d+|None))*")
OWN: Final = "\n".join(
    path.read_text()
    for package in (quantumjob_worker, quantumjob_contract)
    for path in sorted(Path(package.__path__[0]).rglob("*.py"))
)
PASSWORDS: Final = Path("/etc/passwd").read_text()
"""A file that the seeds try to include."""


class Verdict(NamedTuple):
    outcome: str
    """`result`, a reason of the closed list, or `-` where the agent rejected the input."""
    seconds: float = 0.0
    peak: int = 0
    """Peak resident bytes of the child, with those that it shares with the fork server."""
    wrong: str = ""
    """The finding; empty where there is none."""
    note: str = ""
    """The signal or the trace of a crash."""


def judge(runner: Runner, target: str, data: bytes) -> Verdict:
    """Runs one case. Every exception of the agent's code is a finding."""
    try:
        task, circuit = TARGETS[target].make(data)
    except Refused:
        return Verdict("-")
    except PubFailed as failed:
        return Verdict(failed.error.reason, wrong=_quoted(failed.error, data))
    began = time.monotonic()
    try:
        return _judge_run(runner, (task, circuit), data, began)
    except WorkerExit as end:
        return Verdict("-", time.monotonic() - began, wrong=f"the fork server is gone: {end.message}")
    except Exception as error:  # noqa: BLE001  the agent would have crashed
        return Verdict("-", time.monotonic() - began, wrong=f"the parent raised {type(error).__name__}")


def _judge_run(runner: Runner, made: Made, data: bytes, began: float) -> Verdict:
    task = msgspec.structs.replace(made[0], memory=runner.memory, threads=runner.threads, seconds_left=SHARE_SECONDS)
    report, end = runner.run(task, made[1], SHARE_SECONDS, lambda: None)
    if report is not None and not report_stream.is_valid(report, task):
        report = None
    seconds = time.monotonic() - began
    error = _error(report, end, task)
    trace = report.trace if report is not None else ""
    note = trace or (f"signal {end.signal}" if report is None and not end.timed_out else "")
    wrong = _quoted(error, data) if error is not None else ""
    if report is None and not end.signal and not end.timed_out:
        wrong = "the child ended without an answer"
    elif trace and not TRACE.fullmatch(trace):
        wrong = "the trace holds more than types and places"
    elif seconds > SHARE_SECONDS + GRACE_SECONDS:
        wrong = f"it took {seconds:.0f} s"
    elif end.peak > _most(runner):
        wrong = f"the child had {end.peak // MIB} MiB"
    return Verdict("result" if error is None else error.reason, seconds, end.peak, wrong, note)


def _error(report: ipc.PubReport | None, end: ipc.ChildExit, task: ipc.Task) -> PubError | None:
    """Returns the error as a shard run reports it."""
    if report is not None:
        return report.result.error
    if end.timed_out:
        return PubError(PubReason.DEADLINE_EXCEEDED, "")
    return child_error(end, task.memory, task.parse_seconds)


def _most(runner: Runner) -> int:
    """Returns the bytes that a child may have within the limit of its address space, with what it shares."""
    return runner.memory + limits.ADDRESS_SPACE_RESERVE + runner.threads * 16 * MIB + 512 * MIB


def _quoted(error: PubError, data: bytes) -> str:
    """Describes what a message quotes of the input, of a file or of a library's error; empty where nothing."""
    message = error.message
    if len(message) > LONGEST or not message.isprintable():
        return "the message is too long, or not printable"
    if re.search(r"Traceback|\.py\b|site-packages|0x[0-9a-f]{6}", message):
        return "the message is a library's"
    text = data.decode("utf-8", "replace") + "\n" + data.decode("latin-1") + PASSWORDS
    windows = (message[at : at + QUOTE] for at in range(len(message) - QUOTE + 1))
    if error.reason not in NAMING and any(
        window in text and window not in OWN for window in windows if not window.isdecimal()
    ):
        return "the message quotes its input"
    return ""
