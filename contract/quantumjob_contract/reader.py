"""The reader of results: from the completed bucket to verified pub results, long after the resource is gone."""

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
    """The results of one job. Every byte is checked against its sha256 before it is believed."""

    def __init__(self, completed: Bucket, owner: keys.Owner, expected_sha256: str | None = None) -> None:
        """Read the manifest; `expected_sha256` is the one of `status.results`. Raises StoreError."""
        self._completed = completed
        data = completed.get(keys.manifest(owner), limits.MAX_MANIFEST_BYTES)
        if expected_sha256 is not None and sha256(data) != expected_sha256:
            raise VerificationError(f"{keys.manifest(owner)} has sha256 {sha256(data)}, expected {expected_sha256}")
        self.manifest: Manifest = decode_manifest(data)
        self.manifest_bytes = len(data)

    def program(self) -> Program:
        """The program that ran, by which it can run again."""
        return decode_program(self._read(self.manifest.program))

    def pubs(self) -> Iterator[PubResult]:
        """Each pub's result or error once, segment by segment."""
        seen: set[int] = set()
        for stored in self.manifest.segments:
            for result in decode_segment(self._read(stored)).pubs:
                if result.index not in seen:
                    seen.add(result.index)
                    yield result

    def arrays(self) -> Iterator[tuple[StoredArrays, bytes]]:
        """Each `.npz` of arrays that pubs have saved (`saved` says what is in it), one in memory at a time."""
        for stored in self.manifest.arrays:
            yield stored, self._read(stored)

    def _read(self, stored: StoredObject) -> bytes:
        inside = self.manifest.inline.get(stored.key)
        data = self._completed.get(stored.key, stored.bytes) if inside is None else bytes(inside)
        if (len(data), sha256(data)) != (stored.bytes, stored.sha256):
            raise VerificationError(f"{stored.key} is not what its worker wrote")
        return data
