"""seccomp: a BPF filter that refuses system calls which a simulation never makes. For x86_64 and aarch64.

Landlock restricts files and TCP. The filter refuses what could bypass that: other sockets, other processes, new
programs. Calls that the default profile of container runtimes refuses are not repeated, except io_uring.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from functools import cache
from typing import Final, NamedTuple

from quantumjob_worker.isolation.syscalls import checked, libc, no_new_privileges

PR_SET_SECCOMP: Final = 22
MODE_FILTER: Final = 2

ALLOW: Final = 0x7FFF0000
REFUSE: Final = 0x00050000
"""The errno is in the low 16 bits."""

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NR, ARCH, ARG0 = 0, 4, 16
"""Offsets in `struct seccomp_data`: call number, architecture, low half of the first argument."""
CLONE_THREAD: Final = 0x00010000
X32: Final = 0x40000000
"""First number of the x32 ABI of x86_64."""

REFUSED: Final[dict[str, tuple[int, int]]] = {
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "tkill": (200, 130),
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, -1),
    "vfork": (58, -1),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "unshare": (272, 97),
    "setns": (308, 268),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "mkdir": (83, -1),
    "mkdirat": (258, 34),
    "symlink": (88, -1),
    "symlinkat": (266, 36),
    "link": (86, -1),
    "linkat": (265, 37),
    "mknod": (133, -1),
    "mknodat": (259, 33),
    "chmod": (90, -1),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
}
"""Refused calls, with their numbers on x86_64 and aarch64; -1 if the call does not exist."""
REFUSED_ON_OTHERS: Final[dict[str, tuple[int, int]]] = {
    "kill": (62, 129),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "prlimit64": (302, 261),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
}
"""Refused if the first argument is another process. abort() and pthread_cancel() signal the calling process, and a
thread may set its own affinity. A change of the parent's scheduling would outlive the child."""
CLONE: Final = (56, 220)
CLONE3: Final = (435, 435)


class Architecture(NamedTuple):
    audit: int
    column: int
    x32: bool


ARCHITECTURES: Final = {"x86_64": Architecture(0xC000003E, 0, True), "aarch64": Architecture(0xC00000B7, 1, False)}


def available() -> bool:
    """Whether the kernel supports filters, and there is one for this architecture."""
    refused = libc.prctl(PR_SET_SECCOMP, MODE_FILTER, None, 0, 0) < 0
    return os.uname().machine in ARCHITECTURES and refused and ctypes.get_errno() == errno.EFAULT


def install_filter() -> None:
    """Installs the filter for this process and its later threads. Cannot be undone."""
    code = program(os.getpid())
    text = ctypes.create_string_buffer(code, len(code))
    no_new_privileges()
    header = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(text))
    checked(libc.prctl(PR_SET_SECCOMP, MODE_FILTER, header, 0, 0))


def program(pid: int) -> bytes:
    """Returns the filter program for the process `pid`."""
    before, after = _template()
    return before + _instruction(EQUAL, pid, 1, 0) + after


@cache
def _template() -> tuple[bytes, bytes]:
    """Returns the instructions before and after the one that compares the PID."""
    machine = ARCHITECTURES[os.uname().machine]
    tests = [(AT_LEAST, X32, "refuse")] if machine.x32 else []
    tests += [(EQUAL, CLONE3[machine.column], "unknown"), (EQUAL, CLONE[machine.column], "clone")]
    tests += [(EQUAL, numbers[machine.column], "others") for numbers in REFUSED_ON_OTHERS.values()]
    tests += [
        (EQUAL, numbers[machine.column], "refuse") for numbers in REFUSED.values() if numbers[machine.column] >= 0
    ]
    target = {"clone": 1, "others": 3, "refuse": 7, "unknown": 8}
    """Positions after the last test. BPF jumps forward only, hence the second ALLOW."""
    left = range(len(tests) - 1, -1, -1)
    before = [
        _instruction(LOAD, ARCH),
        _instruction(EQUAL, machine.audit, 0, 1 + len(tests) + target["refuse"]),
        _instruction(LOAD, NR),
        *(_instruction(code, value, n + target[name]) for n, (code, value, name) in zip(left, tests, strict=True)),
        _instruction(RETURN, ALLOW),
        _instruction(LOAD, ARG0),
        _instruction(ANY_BIT, CLONE_THREAD, 3, 4),
        _instruction(LOAD, ARG0),
    ]
    after = [
        _instruction(EQUAL, 0, 0, 1),
        _instruction(RETURN, ALLOW),
        _instruction(RETURN, REFUSE | errno.EPERM),
        _instruction(RETURN, REFUSE | errno.ENOSYS),  # glibc then calls clone, whose flags the filter can read
    ]
    return b"".join(before), b"".join(after)


def _instruction(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("HBBI", code, yes, no, value)
