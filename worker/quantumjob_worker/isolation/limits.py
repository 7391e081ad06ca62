"""What parts a child from the worker: descriptors, environment, limits. See also `landlock` and `seccomp`.

Parent and child have one UID, so file permissions do not part them.
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
"""Address space, not memory: BLAS buffers and stacks are reserved whole (160 MiB [m]), and without them it crashes."""
M_ARENA_MAX: Final = -8
MAX_FILE_BYTES: Final = 16 * MIB
LIBRARIES: Final = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache")


def describe() -> str:
    """What parts a child from this process besides limits: `landlock-<ABI>+seccomp`, either alone, or `none`."""
    version = landlock.abi()
    held = [f"landlock-{version}"] if version else []
    if seccomp.available():
        held.append("seccomp")
    return "+".join(held) or "none"


def forget_environment() -> None:
    """os.environ.clear() leaves the text where the kernel put it, for whoever reads this process's memory."""
    os.environ.clear()
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[47]), int(fields[48])  # env_start and env_end, the 50th and 51st
    if 0 < start < end:
        ctypes.memset(start, 0, end - start)


def library_paths() -> list[str]:
    """What a child must still read: the interpreter's modules, the shared libraries, and this project's packages."""
    known = sysconfig.get_paths()
    own = [str(Path(sys.modules[name].__path__[0]).resolve()) for name in ("quantumjob_worker", "quantumjob_contract")]
    return sorted({*(known[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")), *own, *LIBRARIES})


def die_with_parent(parent: int) -> None:
    """Let the kernel kill this process when its parent dies."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def keep_only(*fds: int) -> None:
    """Close every descriptor but these and the standard streams."""
    previous = 2
    for fd in sorted(fds):
        os.closerange(previous + 1, fd)
        previous = fd
    os.closerange(previous + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def redirect_to_null(*fds: int) -> None:
    """Point these at /dev/null: what a library prints may quote the circuit."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in fds:
        os.dup2(null, fd)
    os.close(null)


def limit_memory(budget: int, threads: int) -> None:
    """At most `budget` bytes beyond what is mapped now: a limit below that hangs instead of failing."""
    with open("/proc/self/statm", "rb", buffering=0) as statm:  # noqa: PTH123  Path costs a small pub a tenth of a ms
        mapped = int(statm.read(64).split()[0]) * resource.getpagesize()
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_ARENA_MAX, 1)  # each thread's own arena would reserve 128 MiB
    limit = mapped + budget + ADDRESS_SPACE_RESERVE + threads * 16 * MIB
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))


def limit_cpu(seconds: float | None) -> None:
    """SIGXCPU after this much more CPU time of this process; None takes the limit away again."""
    soft = resource.RLIM_INFINITY if seconds is None else max(1, round(time.process_time() + seconds))
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def volunteer_for_oom() -> None:
    """When the cgroup is full, the kernel shall take this process, not the parent with the results."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "wb", buffering=0) as score:  # noqa: PTH123
        score.write(b"1000")
