"""Waits for a job with a progress bar of finished pubs."""

from __future__ import annotations

import importlib.util
import time
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from quantumjob import errors, models
from quantumjob.client import Client
from quantumjob.rest import calls

QUICK_SECONDS: Final = 1.0
"""A shorter job shows no bar."""


def wait(client: Client, name: str, timeout: float | None = None, bar: bool | None = None) -> models.Status:
    """Waits until the job is finished. `bar` forces or suppresses the bar. Raises WaitTimeout."""
    console = Console(stderr=True)
    if not (watched(console) if bar is None else bar):
        return client.wait(name, timeout)
    began = time.monotonic()
    try:
        return client.wait(name, QUICK_SECONDS if timeout is None else min(timeout, QUICK_SECONDS))
    except errors.WaitTimeout:
        if timeout is not None and timeout <= QUICK_SECONDS:
            raise
    return _wait_with_bar(client, name, None if timeout is None else began + timeout, console)


def _wait_with_bar(client: Client, name: str, until: float | None, console: Console) -> models.Status:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(name, total=None)
        found = client.status(name)
        while not found.finished:
            done, total = counted(found.progress)
            bar.update(task, description=f"{name} {found.phase}", completed=done, total=total)
            left = float(calls.MAX_WAIT) if until is None else until - time.monotonic()
            if left <= 0:
                raise errors.WaitTimeout(f"{name} is not finished yet; it continues.")
            found = client.run(calls.change(name, found.version, left)) or found
        return found


def watched(console: Console) -> bool:
    """Whether the console is a terminal, or a notebook with widgets."""
    if console.is_jupyter:
        return importlib.util.find_spec("ipywidgets") is not None
    return console.is_terminal


def counted(progress: str) -> tuple[int, int | None]:
    """Parses `12/16` into the finished pubs and all pubs, which are unknown before the job is accepted."""
    done, slash, total = progress.partition("/")
    return (int(done), int(total)) if slash and done.isdecimal() and total.isdecimal() else (0, None)
