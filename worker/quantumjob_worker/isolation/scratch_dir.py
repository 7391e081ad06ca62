"""The room of a child: an empty directory, and the rules by which it can reach nothing else.

Made once for many children, since most write nothing; and anew after one that left anything behind.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile

from quantumjob_worker.isolation import landlock, limits, seccomp


class ScratchDir:
    """Kept by the fork server; a child shuts itself in."""

    def __init__(self) -> None:
        self._landlock = landlock.abi()
        self._seccomp = seccomp.available()
        self._libraries = limits.library_paths()
        self._open()

    @property
    def descriptors(self) -> list[int]:
        """What a child must not close before it is shut in."""
        return [] if self._rules is None else [self._rules]

    def confine(self) -> None:
        """In the child: from here on it reaches this room and the libraries. Cannot be undone."""
        if self._rules is not None:
            landlock.restrict_self(self._rules)
            os.close(self._rules)
        if self._seccomp:
            seccomp.install_filter()

    def reset(self) -> None:
        """After a child: as it was, or a new one."""
        if self._state() != self._fresh:
            self.remove()
            self._open()

    def remove(self) -> None:
        """Whatever is in it: a child may have taken away the rights, or have nested directories deeply."""
        if self._rules is not None:
            os.close(self._rules)
        with contextlib.suppress(OSError, RecursionError):
            os.chmod(self.path, 0o700)  # noqa: PTH101  as the rest of this file
            shutil.rmtree(self.path, ignore_errors=True)

    def _open(self) -> None:
        self.path = tempfile.mkdtemp(prefix="pub-")
        self._rules = landlock.ruleset(self._landlock, self._libraries, [self.path]) if self._landlock else None
        self._fresh = self._state()

    def _state(self) -> tuple[int, int, int, int]:
        """Changes with each file that is made, renamed or removed in it, and with its rights."""
        found = os.stat(self.path)  # noqa: PTH116
        return found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns
