"""System calls that Python has no name for."""

from __future__ import annotations

import ctypes
import os
from typing import Any, Final

PR_SET_PDEATHSIG: Final = 1
PR_SET_NO_NEW_PRIVS: Final = 38

libc: Final = ctypes.CDLL(None, use_errno=True)


class KernelRefused(Exception):
    """The kernel has this, but it did not take what we asked for."""


def checked(result: Any) -> int:
    """What a call gave. Raises KernelRefused where it failed."""
    if result < 0:
        raise KernelRefused(os.strerror(ctypes.get_errno()))
    return int(result)


def no_new_privileges() -> None:
    """Without it neither Landlock nor seccomp takes rules from one who has no privilege."""
    checked(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
