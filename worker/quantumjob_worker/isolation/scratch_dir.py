"""A child's scratch directory, and the sandbox that confines the child to it.

Created once for many children, since most write nothing, and replaced after a child that changed it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile

from quantumjob_worker.isolation import landlock, limits, seccomp


class ScratchDir:
    """Held by the fork server; each child confines itself to it."""

    def __init__(self) -> None:
        self._landlock = landlock.abi()
        self._seccomp = seccomp.available()
        self._libraries = limits.library_paths()
        self._create()

    @property
    def descriptors(self) -> list[int]:
        """Descriptors that a child needs for `confine`."""
        return [] if self._rules is None else [self._rules]

    def confine(self) -> None:
        """Restricts this process to the directory and the libraries. Called in the child; cannot be undone."""
        if self._rules is not None:
            landlock.restrict_self(self._rules)
            os.close(self._rules)
        if self._seccomp:
            seccomp.install_filter()

    def reset(self) -> None:
        """Replaces the directory if a child has changed it."""
        if self._state() != self._initial:
            self.remove()
            self._create()

    def remove(self) -> None:
        """Removes the directory, also if a child changed its mode or nested directories deeply."""
        if self._rules is not None:
            os.close(self._rules)
        with contextlib.suppress(OSError, RecursionError):
            os.chmod(self.path, 0o700)  # noqa: PTH101  as the rest of this file
            shutil.rmtree(self.path, ignore_errors=True)

    def _create(self) -> None:
        self.path = tempfile.mkdtemp(prefix="pub-")
        self._rules = landlock.ruleset(self._landlock, self._libraries, [self.path]) if self._landlock else None
        self._initial = self._state()

    def _state(self) -> tuple[int, int, int, int]:
        """Returns what changes when a file is created, renamed or removed, or the mode changes."""
        found = os.stat(self.path)  # noqa: PTH116
        return found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns
