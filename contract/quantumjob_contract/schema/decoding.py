"""Decodes untrusted JSON into a struct, with one exception for every defect."""

from __future__ import annotations

from typing import TypeVar

import msgspec

T = TypeVar("T")


def decode(data: bytes | memoryview | str, kind: type[T] | msgspec.json.Decoder[T]) -> T:
    """Returns the value. Raises msgspec.DecodeError, also for text that is not UTF-8 or nested too deeply."""
    try:
        if isinstance(kind, msgspec.json.Decoder):
            return kind.decode(data)
        return msgspec.json.decode(data, type=kind)
    except (UnicodeDecodeError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else "it is not UTF-8"
        raise msgspec.DecodeError(why) from None
