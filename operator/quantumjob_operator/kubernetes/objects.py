"""Reads the metadata of Kubernetes objects. Pure."""

from __future__ import annotations

from typing import Any

JSON = dict[str, Any]


def uid_of(raw: JSON) -> str:
    uid: str = raw["metadata"]["uid"]
    return uid


def version(raw: JSON) -> int:
    """Returns the resource version as a number, which is etcd's revision."""
    return int(raw["metadata"]["resourceVersion"])


def is_newer(raw: JSON, known: JSON | None) -> bool:
    return known is None or uid_of(raw) != uid_of(known) or version(raw) > version(known)


def controller_uid(raw: JSON) -> str | None:
    """Returns the UID of the controlling owner."""
    return _controller(raw).get("uid")


def controller_of(raw: JSON) -> str | None:
    """Returns the name of the controlling owner."""
    return _controller(raw).get("name")


def _controller(raw: JSON) -> JSON:
    references = raw["metadata"].get("ownerReferences", [])
    return next((ref for ref in references if ref.get("controller")), {})


def trim(raw: JSON, *keep: str) -> JSON:
    """Returns metadata without managed fields and annotations, status, and these other fields."""
    metadata = {key: value for key, value in raw["metadata"].items() if key not in {"managedFields", "annotations"}}
    return {"metadata": metadata, "status": raw.get("status", {})} | {key: raw[key] for key in keep}
