"""Runs commands and reports progress."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from subprocess import PIPE, STDOUT, Popen
from typing import Any


class CommandError(Exception):
    """An error whose message is for the user: what failed, and where to look further."""


class Stopped(Exception):
    """A command was terminated, or not started, because another part of the work had failed."""


_running: set[Popen[str]] = set()
_running_lock = threading.Lock()
_stopping = threading.Event()


def say(text: str) -> None:
    """Prints progress to stderr; stdout is for results that a caller parses."""
    print(text, file=sys.stderr, flush=True)


def tail(log: Path, lines: int = 15) -> str:
    """Returns the last lines of a log, indented."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return ""
    return "\n".join(f"    {line[:400]}" for line in text.splitlines()[-lines:])


def run(
    *command: str | Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    check: bool = True,
    log: Path | None = None,
    stoppable: bool = True,
) -> str:
    """Runs a command and returns its output. With `log`, the output is appended there instead, and "" is returned.

    `stop` lets a command finish that is not `stoppable`.
    """
    argv = [str(part) for part in command]
    if log is None:
        status, output, errors = _communicate(argv, stdin, stoppable, env=env, cwd=cwd, stdout=PIPE, stderr=PIPE)
    else:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as sink:
            sink.write(f"$ {' '.join(argv)}\n")
            sink.flush()
            status, output, errors = _communicate(argv, stdin, stoppable, env=env, cwd=cwd, stdout=sink, stderr=STDOUT)
    if check and status:
        where = f"see {log}:\n{tail(log)}" if log else (errors or output).strip()[-1500:]
        raise CommandError(f"`{_short(argv)}` exited with status {status}; {where}")
    return output


def stop() -> None:
    """Terminates all running commands. Every `run` that is interrupted or called afterwards raises Stopped."""
    with _running_lock:
        _stopping.set()
        for process in _running:
            process.terminate()


def _communicate(argv: list[str], stdin: str | None, stoppable: bool, **options: Any) -> tuple[int, str, str]:
    with _running_lock:
        if _stopping.is_set():
            raise Stopped(argv[0])
        try:
            process = Popen(argv, text=True, stdin=None if stdin is None else PIPE, **options)
        except FileNotFoundError as missing:
            raise CommandError(f"the command {argv[0]} is not installed on this machine") from missing
        if stoppable:
            _running.add(process)
    try:
        output, errors = process.communicate(stdin)
    finally:
        with _running_lock:
            _running.discard(process)
    if _stopping.is_set() and process.returncode:
        raise Stopped(argv[0])
    return process.returncode, output or "", errors or ""


def _short(argv: Sequence[str]) -> str:
    text = " ".join(argv)
    return text if len(text) < 160 else text[:157] + "..."


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    """Reports that a step begins, every 30 seconds that it goes on, and how long it took."""
    start = time.monotonic()
    ended = threading.Event()

    def report() -> None:
        while not ended.wait(30):
            say(f"    {what}: {time.monotonic() - start:.0f} s so far")

    thread = threading.Thread(target=report, daemon=True)
    say(f"{what} ...")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    say(f"{what}: done in {time.monotonic() - start:.1f} s")


def wait(condition: Callable[[], bool], seconds: float, otherwise: Callable[[], str]) -> None:
    """Waits until the condition holds. Raises CommandError with the message of `otherwise` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise CommandError(otherwise())
        time.sleep(0.1)
