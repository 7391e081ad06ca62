"""The Python environment of development and tests: the packages of two locks, with their hashes checked."""

from __future__ import annotations

import fcntl
import shutil
import sys
from pathlib import Path

from localnode.settings import cache
from localnode.shell import run, step


def ensure(root: Path, folder: Path) -> None:
    """Creates the virtual environment `folder` from the locks of the checkout `root`, unless it is complete.

    It is built in place, since a virtual environment cannot be moved; the file `bin/.ready` says that it is complete.
    """
    ready = folder / "bin/.ready"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if ready.exists():
            return
        shutil.rmtree(folder, ignore_errors=True)
        with step("installing the Python packages (1 minute)"):
            # Not sys.executable, which may be the python of an unfinished `folder`.
            run(Path(sys.base_prefix) / "bin/python3", "-m", "venv", folder)
            _install(folder, root / "requirements/dev.txt")
            # qsim's declared dependencies are not needed: docs/dependencies.md.
            _install(folder, root / "requirements/qsim.txt", "--no-deps")
        ready.touch()


def _install(folder: Path, lock: Path, *options: str) -> None:
    # The image builds share the cache, so that each wheel is downloaded once.
    pip = (folder / "bin/pip", "--cache-dir", cache() / "pip", "--disable-pip-version-check", "install")
    run(*pip, "--require-hashes", *options, "--requirement", lock, log=cache() / "logs/venv.log")
