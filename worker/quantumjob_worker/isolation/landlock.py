"""Landlock: restricts a process to given files, without TCP and signals to others. Needs no privilege."""

from __future__ import annotations

import ctypes
import fcntl
import os
import stat
from collections.abc import Iterable
from typing import Final

from quantumjob_worker.isolation.syscalls import checked, libc, no_new_privileges

CREATE_RULESET: Final = 444
ADD_RULE: Final = 445
RESTRICT_SELF: Final = 446
VERSION_FLAG: Final = 1
PATH_BENEATH: Final = 1
O_PATH: Final = 0o10000000

WRITE_FILE, READ_FILE, READ_DIR, REMOVE_FILE, MAKE_REG, TRUNCATE = 1 << 1, 1 << 2, 1 << 3, 1 << 5, 1 << 8, 1 << 14
READ: Final = READ_FILE | READ_DIR
WRITE: Final = READ | WRITE_FILE | REMOVE_FILE | MAKE_REG | TRUNCATE
"""Rights to files only: without subdirectories a scratch directory is removed quickly."""
FILES_BITS: Final = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""Number of file rights of each ABI version; 16 from version 5 on."""
TCP: Final = 0b11
"""Bind and connect (ABI 4)."""
SCOPES: Final = 0b11
"""Abstract sockets and signals to processes outside the sandbox (ABI 6)."""
MIN_FD: Final = 10
"""Lowest descriptor of the ruleset, above those that a child gets at fixed numbers."""


class _RulesetAttr(ctypes.Structure):
    _fields_ = [("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def abi() -> int:
    """Returns the kernel's Landlock ABI version; 0 if Landlock is missing or disabled."""
    return max(0, int(libc.syscall(CREATE_RULESET, None, 0, VERSION_FLAG)))


def ruleset(version: int, readable: Iterable[str], writable: Iterable[str]) -> int:
    """Returns the descriptor of a ruleset that allows these paths only. It can restrict any number of processes."""
    rights = (1 << FILES_BITS.get(version, 16)) - 1
    attr = _RulesetAttr(rights, TCP if version >= 4 else 0, SCOPES if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    made = checked(libc.syscall(CREATE_RULESET, ctypes.byref(attr), size, 0))
    try:
        for path in readable:
            _allow(made, path, READ)
        for path in writable:
            _allow(made, path, WRITE & rights)
        return fcntl.fcntl(made, fcntl.F_DUPFD_CLOEXEC, MIN_FD)
    finally:
        os.close(made)


def restrict_self(rules: int) -> None:
    """Restricts this process by the ruleset. Cannot be undone."""
    no_new_privileges()
    checked(libc.syscall(RESTRICT_SELF, rules, 0))


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= READ_FILE | WRITE_FILE
        rule = _PathBeneath(rights, fd)
        checked(libc.syscall(ADD_RULE, rules, PATH_BENEATH, ctypes.byref(rule), 0))
    finally:
        os.close(fd)
