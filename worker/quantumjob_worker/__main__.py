"""`python -m quantumjob_worker`: the parent process. Forks the fork server before it opens any connection."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
from typing import NoReturn

from quantumjob_contract import names
from quantumjob_contract.exit_codes import Exit
from quantumjob_contract.schema.results import Termination
from quantumjob_worker.clock import now
from quantumjob_worker.errors import INTERNAL_ERROR, Stopped, WorkerExit, describe
from quantumjob_worker.isolation import fork_server

MAX_TERMINATION = 4096
"""Bytes of a termination message that Kubernetes keeps."""

log = logging.getLogger("quantumjob_worker")


def main() -> int:
    """Runs the worker. Returns the exit code, one of `Exit`."""
    started = now()
    signal.signal(signal.SIGTERM, _stop)
    server, control = fork_server.start(load_child)
    signal.signal(signal.SIGCHLD, _reap)
    try:
        code, message = Exit.DONE, _work(server, control, started)
    except Stopped:
        code, message = Exit.TEMPORARY, Termination("Temporary", "The worker received SIGTERM.")
    except WorkerExit as end:
        code, message = end.code, Termination(_reason(end.code), end.message)
    except Exception as error:  # noqa: BLE001  the last resort
        log.critical("internal error", extra={"trace": describe(error)})
        code, message = Exit.INTERNAL, Termination("Internal", INTERNAL_ERROR)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    fork_server.stop(server, control)
    log.info("worker exits", extra={"exit": int(code), "reason": message.reason, "detail": message.message})
    _write_termination_message(message)
    return int(code)


def _work(server: int, control: socket.socket, started: str) -> Termination:
    from quantumjob_worker import main  # noqa: PLC0415  HTTP and TLS load while the fork server loads Qiskit

    return main.work(server, control, started)


def load_child() -> fork_server.Child:
    """Imports the child's module, and with it Qiskit. Called in the fork server's process only."""
    from quantumjob_worker import child  # noqa: PLC0415  the parent never imports it

    return child


def _reason(code: Exit) -> str:
    return "".join(word.capitalize() for word in code.name.split("_"))


def _stop(_number: int, _frame: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Stopped


def _reap(_number: int, _frame: object) -> None:
    """Reaps orphaned processes, which the container's PID 1 inherits."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _write_termination_message(message: Termination) -> None:
    import msgspec  # noqa: PLC0415

    with contextlib.suppress(OSError):  # the kubelet creates the file; outside a pod it does not exist
        fd = os.open(names.TERMINATION_LOG, os.O_WRONLY | os.O_TRUNC)
        os.write(fd, msgspec.json.encode(message)[:MAX_TERMINATION])
        os.close(fd)


if __name__ == "__main__":
    sys.exit(main())
