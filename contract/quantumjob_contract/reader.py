"""Reads and verifies results from the completed bucket, also after the QuantumJob is deleted."""

from __future__ import annotations

from collections.abc import Iterator

from quantumjob_contract import keys, limits
from quantumjob_contract.pubs.counts import counts
from quantumjob_contract.schema.program import Program, decode_program
from quantumjob_contract.schema.results import (
    Manifest,
    PubResult,
    StoredArrays,
    StoredObject,
    decode_manifest,
    decode_segment,
)
from quantumjob_contract.store import Bucket
from quantumjob_contract.store_errors import VerificationError
from quantumjob_contract.transfer import sha256

__all__ = ["Results", "VerificationError", "counts"]


class Results:
    """The results of one job. Each object is checked against its size and sha256 before it is parsed."""

    def __init__(self, completed: Bucket, owner: keys.Owner, expected_sha256: str | None = None) -> None:
        """Reads the manifest; `expected_sha256` is that of `status.results`.

        Raises ObjectNotFound where no results are committed, VerificationError, and other StoreErrors.
        """
        self._completed = completed
        data = completed.get(keys.manifest(owner), limits.MAX_MANIFEST_BYTES)
        if expected_sha256 is not None and sha256(data) != expected_sha256:
            raise VerificationError(f"{keys.manifest(owner)} has sha256 {sha256(data)}, expected {expected_sha256}")
        self.manifest: Manifest = decode_manifest(data)
        self.manifest_bytes = len(data)

    def program(self) -> Program:
        """Reads the program that ran. With its seed it gives the same results again."""
        return decode_program(self._read(self.manifest.program))

    def pubs(self) -> Iterator[PubResult]:
        """Yields each pub's result or error once, segment by segment, not in the job's order. Raises StoreError."""
        seen: set[int] = set()
        for stored in self.manifest.segments:
            for result in decode_segment(self._read(stored)).pubs:
                if result.index not in seen:
                    seen.add(result.index)
                    yield result

    def arrays(self) -> Iterator[tuple[StoredArrays, bytes]]:
        """Yields each `.npz` of saved arrays (see `schema.saved_arrays`), one at a time. Raises StoreError."""
        for stored in self.manifest.arrays:
            yield stored, self._read(stored)

    def _read(self, stored: StoredObject) -> bytes:
        inside = self.manifest.inline.get(stored.key)
        data = self._completed.get(stored.key, stored.bytes) if inside is None else bytes(inside)
        if (len(data), sha256(data)) != (stored.bytes, stored.sha256):
            raise VerificationError(f"{stored.key} differs from the size and sha256 in its manifest")
        return data
