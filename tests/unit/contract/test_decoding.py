"""Whatever is wrong with JSON of others, it is one error."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from quantumjob_contract.schema import backend, program, results
from quantumjob_contract.schema.decoding import decode

DEEP = b"[" * 5000 + b"]" * 5000


@pytest.mark.parametrize("data", [b"", b"{", b'"\xff"', b'"\xed\xa0\x80"', b'"\\ud800"', b"NaN", b"1e400", DEEP])
def test_what_is_no_json(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(data, Any)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "read", [results.decode_segment, results.decode_manifest, program.decode_program, backend.decode_model]
)
@pytest.mark.parametrize("inner", [b'"\xff"', DEEP])
def test_what_a_worker_a_tenant_or_a_user_may_have_written(read: Any, inner: bytes) -> None:
    """An unknown field is skipped, as deep as it is; a known one has text."""
    for key in (b"unknown", b"uid", b"qubits"):
        with pytest.raises(msgspec.DecodeError):
            read(b'{"%s": %s}' % (key, inner))


def test_what_is_json() -> None:
    assert decode(b'{"a": [1]}', dict[str, list[int]]) == {"a": [1]}
    assert decode("3", int) == 3
