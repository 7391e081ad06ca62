"""Builds the worker from its environment variables. Imported after the fork server has been forked."""

from __future__ import annotations

import logging
import os
import platform
import socket
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from pythonjsonlogger.json import JsonFormatter

from quantumjob_contract import names
from quantumjob_contract.exit_codes import Exit
from quantumjob_contract.schema.results import Termination
from quantumjob_worker.agent.recycling import RecyclingPolicy
from quantumjob_worker.agent.worker import Worker
from quantumjob_worker.clients.orders import OrdersClient
from quantumjob_worker.errors import WorkerExit
from quantumjob_worker.isolation import cgroup, limits
from quantumjob_worker.isolation.runner import Runner

PACKAGES: Final = ("quantumjob", "qiskit", "qiskit-aer", "qiskit-qasm3-import", "stim", "numpy")

log = logging.getLogger(__name__)


def work(server: int, control: socket.socket, started: str) -> Termination:
    """Runs orders until there are none. Raises WorkerExit and Stopped."""
    set_up_logging()
    sandbox = limits.describe()
    for mechanism in ("landlock", "seccomp"):
        if mechanism not in sandbox:
            log.warning("%s is not available on this kernel; the sandbox is weaker", mechanism)
    limit = cgroup.memory_limit()
    runner = Runner(control, memory=cgroup.memory_budget(limit), threads=cgroup.threads())
    log.info("worker starts", extra={"sandbox": sandbox, "memory": runner.memory, "threads": runner.threads})
    about = {"sandbox": sandbox, "pod": os.environ.get("HOSTNAME", ""), "started": started}
    client = OrdersClient(
        _required(names.ENV_ORDERS_URL), os.environ.get(names.ENV_ORDERS_CA, ""), _required(names.ENV_TOKEN_FILE)
    )
    return Worker(client, runner, about, versions(), RecyclingPolicy([os.getpid(), server])).run()


def set_up_logging() -> None:
    """Logs JSON lines to stderr. `transfer` silences urllib3, whose warnings quote presigned URLs."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter(
            "{levelname}{name}{message}",
            style="{",
            timestamp=True,
            rename_fields={"levelname": "level", "name": "logger"},
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def versions() -> dict[str, str]:
    """Returns the versions that a result depends on, from package metadata: the parent imports none of them."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # run from the source tree
            found[package] = "unknown"
    return found


def _required(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise WorkerExit(Exit.INTERNAL, f"The environment variable {name} is not set.")
    return value
