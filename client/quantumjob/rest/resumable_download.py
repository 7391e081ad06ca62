"""A body that is read on where its connection was cut. What to ask for next; whoever asks does the I/O."""

from __future__ import annotations

from collections.abc import Mapping


class ResumableBody:
    """What has come so far, over as many connections as it takes."""

    def __init__(self, *, resumes: bool) -> None:
        self.data = bytearray()
        self._resumes = resumes
        self._begun = False
        self._most = 0

    def headers(self) -> Mapping[str, str]:
        """Of the next request, for what is missing."""
        return {"Range": f"bytes={self._start}-"} if self._begun else {}

    def takes(self, status: int) -> bool:
        """Whether the body of an answer with this status belongs to it; then the place to add it is made."""
        if not self._resumes or status not in {200, 206}:
            return False
        del self.data[self._start if status == 206 else 0 :]
        self._begun = True
        return True

    def grew(self) -> bool:
        """Whether more has come than when this was last asked: then the service is there, however slow."""
        before, self._most = self._most, max(self._most, len(self.data))
        return self._most > before

    @property
    def _start(self) -> int:
        """The last byte that came: no range begins at the end of an object, should that be reached."""
        return max(0, len(self.data) - 1)
