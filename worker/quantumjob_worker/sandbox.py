"""What a child shuts behind itself before it looks at a circuit: memory, CPU, files, network, signals.

Parent and child have one UID, so file permissions do not part them. Landlock does, from the inside and without a right.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from quantumjob_contract.limits import MIB

CREATE_RULESET: Final = 444
ADD_RULE: Final = 445
RESTRICT_SELF: Final = 446
VERSION_FLAG: Final = 1
PATH_BENEATH: Final = 1
O_PATH: Final = 0o10000000

PR_SET_PDEATHSIG: Final = 1
PR_SET_NO_NEW_PRIVS: Final = 38

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REMOVE_DIR, REMOVE_FILE, MAKE_DIR, MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
TRUNCATE: Final = 1 << 14

READ: Final = READ_FILE | READ_DIR
WRITE: Final = READ | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG
FILES_BITS: Final = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many file rights each Landlock ABI knows; from 5 on it is 16."""
TCP: Final = 0b11
"""Bind and connect (ABI 4)."""
SCOPES: Final = 0b11
"""Abstract sockets and signals to processes outside the sandbox (ABI 6)."""

ADDRESS_ROOM: Final = 256 * MIB
"""Address space, not memory: BLAS buffers and stacks are reserved whole (160 MiB [m]), and without them it crashes."""
M_ARENA_MAX: Final = -8
MAX_FILE_BYTES: Final = 16 * MIB
LIBRARIES: Final = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache")


class SandboxFailed(Exception):
    """The kernel has Landlock, but it did not take our rules."""


class _RulesetAttr(ctypes.Structure):
    _fields_ = [("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


_libc = ctypes.CDLL(None, use_errno=True)


def landlock_abi() -> int:
    """The kernel's Landlock ABI, 0 where there is none or it is switched off."""
    return max(0, int(_libc.syscall(CREATE_RULESET, None, 0, VERSION_FLAG)))


def describe(abi: int) -> str:
    return f"landlock-{abi}" if abi else "none"


def library_paths() -> list[str]:
    """What a child must still read: the interpreter's modules, the shared libraries, and this project's packages."""
    known = sysconfig.get_paths()
    here = Path(__file__).resolve().parent
    contract = Path(sys.modules["quantumjob_contract"].__path__[0]).resolve()
    own = [str(here), str(contract)]
    return sorted({*(known[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")), *own, *LIBRARIES})


def die_with_parent(parent: int) -> None:
    """Let the kernel kill this process when its parent dies."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def keep_only(*fds: int) -> None:
    """Close every descriptor but these and the standard streams."""
    previous = 2
    for fd in sorted(fds):
        os.closerange(previous + 1, fd)
        previous = fd
    os.closerange(previous + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def silence(*fds: int) -> None:
    """Point these at /dev/null: what a library prints may quote the circuit."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in fds:
        os.dup2(null, fd)
    os.close(null)


def limit_memory(budget: int, threads: int) -> None:
    """At most `budget` bytes beyond what is mapped now: a limit below that hangs instead of failing."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(M_ARENA_MAX, 1)  # each thread's own arena would reserve 128 MiB
    limit = mapped + budget + ADDRESS_ROOM + threads * 16 * MIB
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))


def limit_cpu(seconds: float | None) -> None:
    """SIGXCPU after this much CPU time of this process; None takes the limit away again."""
    soft = resource.RLIM_INFINITY if seconds is None else max(1, round(seconds))
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def volunteer_for_oom() -> None:
    """When the cgroup is full, the kernel shall take this process, not the parent with the results."""
    try:
        Path("/proc/self/oom_score_adj").write_text("1000")
    except OSError:
        return


def shut(abi: int, readable: Iterable[str], writable: Iterable[str]) -> None:
    """Landlock: these paths and nothing else, no TCP, no signal to others. Cannot be undone."""
    if abi < 1:
        return
    rights = (1 << FILES_BITS.get(abi, 16)) - 1
    attr = _RulesetAttr(rights, TCP if abi >= 4 else 0, SCOPES if abi >= 6 else 0)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    ruleset = _checked(_libc.syscall(CREATE_RULESET, ctypes.byref(attr), size, 0))
    try:
        for path in readable:
            _allow(ruleset, path, READ)
        for path in writable:
            _allow(ruleset, path, (WRITE | TRUNCATE) & rights)
        _checked(_libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _checked(_libc.syscall(RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not Path(path).is_dir():
            rights &= READ_FILE | WRITE_FILE
        rule = _PathBeneath(rights, fd)
        _checked(_libc.syscall(ADD_RULE, ruleset, PATH_BENEATH, ctypes.byref(rule), 0))
    finally:
        os.close(fd)


def _checked(result: int) -> int:
    if result < 0:
        raise SandboxFailed(os.strerror(ctypes.get_errno()))
    return int(result)
