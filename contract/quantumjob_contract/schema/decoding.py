"""JSON that somebody else has written, into a type: with one error for all that may be wrong with it."""

from __future__ import annotations

from typing import TypeVar

import msgspec

T = TypeVar("T")


def decode(data: bytes | memoryview | str, kind: type[T] | msgspec.json.Decoder[T]) -> T:
    """Raises msgspec.DecodeError, also for text that is not UTF-8 and for nesting without end."""
    try:
        if isinstance(kind, msgspec.json.Decoder):
            return kind.decode(data)
        return msgspec.json.decode(data, type=kind)
    except (UnicodeDecodeError, RecursionError) as error:
        told = "it is nested too deeply" if isinstance(error, RecursionError) else "it is not UTF-8"
        raise msgspec.DecodeError(told) from None
