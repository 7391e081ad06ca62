"""Caches folders. Each is built once, and is complete or absent."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path

from localnode.settings import cache
from localnode.shell import step


def folder(key: str, what: str, build: Callable[[Path], None]) -> Path:
    """Returns the cached folder `key`. If it is missing, `build` fills a new folder, which is then renamed to it."""
    target = cache() / key
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(f".{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_dir():
            return target
        unfinished = target.with_name(f".{target.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        try:
            with step(what):
                build(unfinished)
            unfinished.rename(target)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return target
