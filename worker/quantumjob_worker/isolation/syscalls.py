"""System calls that Python does not provide, by ctypes."""

from __future__ import annotations

import ctypes
import os
from typing import Any, Final

PR_SET_PDEATHSIG: Final = 1
PR_SET_NO_NEW_PRIVS: Final = 38

libc: Final = ctypes.CDLL(None, use_errno=True)


class KernelRefused(Exception):
    """The kernel supports the call, but refused its arguments."""


def checked(result: Any) -> int:
    """Returns the result of a call. Raises KernelRefused if it failed."""
    if result < 0:
        raise KernelRefused(os.strerror(ctypes.get_errno()))
    return int(result)


def no_new_privileges() -> None:
    """Sets no_new_privs, which Landlock and seccomp require of an unprivileged process."""
    checked(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
