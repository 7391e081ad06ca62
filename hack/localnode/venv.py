"""The Python environment of development and tests: the packages of two locks, with their hashes checked."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from pathlib import Path

from localnode import pip
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
        with step("installing the Python packages"):
            _install(root / "requirements", folder)
        ready.touch()


def _install(locks: Path, folder: Path) -> None:
    log = cache() / "logs/venv.log"
    # Not sys.executable, which may be the python of an unfinished `folder`.
    run(Path(sys.base_prefix) / "bin/python3", "-m", "venv", folder)
    python = folder / "bin/python"
    installer = ("install", "--require-hashes", "--requirement", locks / "installer.txt")
    run(python, "-m", "pip", "--cache-dir", cache() / "pip", "--disable-pip-version-check", *installer, log=log)
    # uv takes a tenth of pip's time. A lock is complete, so dependencies are not looked up; qsim's are not needed.
    packages = [option for lock in ("dev", "qsim") for option in ("--requirement", locks / f"{lock}.txt")]
    environment = os.environ | pip.uv_environment(pip.machine_settings()) | {"UV_CACHE_DIR": str(cache() / "uv")}
    command = (folder / "bin/uv", "pip", "install", "--python", python, "--require-hashes", "--no-deps", *packages)
    run(*command, env=environment, log=log)
