"""How a program names an object in the circuits bucket."""

from __future__ import annotations

import msgspec


class ObjectRef(msgspec.Struct, frozen=True, omit_defaults=True):
    """An object in the circuits bucket; `key` is relative to the job's namespace."""

    key: str
    sha256: str | None = None
