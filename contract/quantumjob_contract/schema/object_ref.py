"""References an object in the circuits bucket."""

from __future__ import annotations

import msgspec


class ObjectRef(msgspec.Struct, frozen=True, omit_defaults=True):
    """Key of an object, relative to the job's namespace, and the sha256 that it must have."""

    key: str
    sha256: str | None = None
