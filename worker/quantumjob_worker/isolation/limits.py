"""Limits of a child process: descriptors, environment, memory, CPU time. See also `landlock` and `seccomp`.

Parent and child have the same UID, so file permissions do not separate them.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
import sysconfig
import time
from pathlib import Path
from typing import Final

from quantumjob_contract.limits import MIB
from quantumjob_worker.isolation import landlock, seccomp
from quantumjob_worker.isolation.syscalls import PR_SET_PDEATHSIG, libc

ADDRESS_SPACE_RESERVE: Final = 256 * MIB
"""Address space, not memory: BLAS buffers and stacks reserve it (160 MiB [m]), and BLAS crashes without it."""
M_ARENA_MAX: Final = -8
MAX_FILE_BYTES: Final = 16 * MIB
LIBRARIES: Final = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache")


def describe() -> str:
    """Returns the available sandbox: `landlock-<ABI>+seccomp`, either alone, or `none`."""
    version = landlock.abi()
    held = [f"landlock-{version}"] if version else []
    if seccomp.available():
        held.append("seccomp")
    return "+".join(held) or "none"


def forget_environment() -> None:
    """Clears the environment, also where the kernel placed it in memory, which os.environ.clear() leaves as it is."""
    os.environ.clear()
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[47]), int(fields[48])  # env_start and env_end, the 50th and 51st
    if 0 < start < end:
        ctypes.memset(start, 0, end - start)


def library_paths() -> list[str]:
    """Returns what a child must read: the interpreter's modules, shared libraries, and this project's packages."""
    known = sysconfig.get_paths()
    own = [str(Path(sys.modules[name].__path__[0]).resolve()) for name in ("quantumjob_worker", "quantumjob_contract")]
    return sorted({*(known[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")), *own, *LIBRARIES})


def die_with_parent(parent: int) -> None:
    """Has the kernel kill this process when its parent dies."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def keep_only(*fds: int) -> None:
    """Closes all descriptors but these and the standard streams."""
    previous = 2
    for fd in sorted(fds):
        os.closerange(previous + 1, fd)
        previous = fd
    os.closerange(previous + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def redirect_to_null(*fds: int) -> None:
    """Redirects descriptors to /dev/null: what a library prints may quote the circuit."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in fds:
        os.dup2(null, fd)
    os.close(null)


def limit_memory(budget: int, threads: int) -> None:
    """Limits the address space to `budget` bytes above what is mapped now: below that a process hangs."""
    with open("/proc/self/statm", "rb", buffering=0) as statm:  # noqa: PTH123  Path costs a small pub a tenth of a ms
        mapped = int(statm.read(64).split()[0]) * resource.getpagesize()
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_ARENA_MAX, 1)  # an arena for each thread would reserve 128 MiB
    limit = mapped + budget + ADDRESS_SPACE_RESERVE + threads * 16 * MIB
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))


def limit_cpu(seconds: float | None) -> None:
    """Has the kernel send SIGXCPU after this much more CPU time; None removes the limit."""
    soft = resource.RLIM_INFINITY if seconds is None else max(1, round(time.process_time() + seconds))
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def volunteer_for_oom() -> None:
    """Raises the OOM score of this process, so that the kernel kills it instead of the parent with the results."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "wb", buffering=0) as score:  # noqa: PTH123
        score.write(b"1000")
