"""Runs independent parts of the work side by side."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

from localnode import shell

T = TypeVar("T")


def together(*parts: Callable[[], T]) -> list[T]:
    """Calls the functions in threads and returns their results in order.

    When one fails, the commands of the others are terminated and its exception is raised.
    """
    with ThreadPoolExecutor(len(parts)) as pool:
        futures = [pool.submit(part) for part in parts]
        try:
            _, unfinished = wait(futures, return_when=FIRST_EXCEPTION)
        except KeyboardInterrupt:
            shell.stop()
            raise
        if unfinished:
            shell.stop()
    failures = [failure for future in futures if (failure := future.exception())]
    if failures:
        # Commands that were terminated on account of a failure are not its cause.
        raise next((failure for failure in failures if not isinstance(failure, shell.Stopped)), failures[0])
    return [future.result() for future in futures]
