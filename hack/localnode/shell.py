"""Running commands, and saying what is going on."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path


class CommandError(Exception):
    """Something that the user must read: one sentence, and where to look further."""


def say(text: str) -> None:
    """Progress goes to stderr; stdout is for what a caller parses."""
    print(text, file=sys.stderr, flush=True)


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, indented."""
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
) -> str:
    """Run a command and return what it printed; with `log`, print there instead and return nothing."""
    argv = [str(part) for part in command]
    try:
        if log is None:
            done = subprocess.run(argv, env=env, cwd=cwd, input=stdin, text=True, capture_output=True, check=False)
        else:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("a") as sink:
                sink.write(f"$ {' '.join(argv)}\n")
                sink.flush()
                done = subprocess.run(
                    argv, env=env, cwd=cwd, input=stdin, text=True, stdout=sink, stderr=subprocess.STDOUT, check=False
                )
    except FileNotFoundError as missing:
        raise CommandError(f"the command {argv[0]} is missing on this machine") from missing
    if check and done.returncode:
        where = f"see {log}:\n{tail(log)}" if log else _last(done.stderr or done.stdout)
        raise CommandError(f"`{_short(argv)}` ended with {done.returncode}; {where}")
    return done.stdout or ""


def _short(argv: Sequence[str]) -> str:
    text = " ".join(argv)
    return text if len(text) < 160 else text[:157] + "..."


def _last(text: str) -> str:
    return text.strip()[-1500:]


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    """Say what begins, how long it took, and in between that it still goes on."""
    start = time.monotonic()
    ended = threading.Event()

    def still() -> None:
        while not ended.wait(30):
            say(f"    ... {what}: {time.monotonic() - start:.0f} s so far")

    thread = threading.Thread(target=still, daemon=True)
    say(f"{what} ...")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    say(f"    {time.monotonic() - start:.1f} s")


def wait(condition: Callable[[], bool], seconds: float, otherwise: Callable[[], str]) -> None:
    """Wait until the condition holds, or fail with the sentence that `otherwise` gives."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise CommandError(otherwise())
        time.sleep(0.1)
