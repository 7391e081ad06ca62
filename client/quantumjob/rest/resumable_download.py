"""Keeps the state of a download that continues after its connection was cut. No I/O."""

from __future__ import annotations

from collections.abc import Mapping


class ResumableBody:
    """The bytes received so far, over several connections."""

    def __init__(self, *, resumes: bool) -> None:
        self.data = bytearray()
        self._resumes = resumes
        self._started = False
        self._most = 0

    def headers(self) -> Mapping[str, str]:
        """Returns the headers of the next request: a Range from the missing bytes on."""
        return {"Range": f"bytes={self._start}-"} if self._started else {}

    def takes(self, status: int) -> bool:
        """Whether a response of this status continues the download. Removes the bytes that it sends again."""
        if not self._resumes or status not in {200, 206}:
            return False
        del self.data[self._start if status == 206 else 0 :]
        self._started = True
        return True

    def has_progress(self) -> bool:
        """Whether bytes have arrived since the last call: then the service is slow, not away."""
        before, self._most = self._most, max(self._most, len(self.data))
        return self._most > before

    @property
    def _start(self) -> int:
        """Index of the last received byte. A range from the end of an object on would be refused."""
        return max(0, len(self.data) - 1)
