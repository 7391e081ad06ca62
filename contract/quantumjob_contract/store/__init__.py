"""Clients of an S3 store by its credentials: blocking here, for an event loop in `aio`. Not for workers."""

from __future__ import annotations

from quantumjob_contract.store.bucket import (
    ROLES,
    Bucket,
    BucketConfig,
    Entry,
    Role,
    Store,
    StoreDirectory,
    read_config,
)

__all__ = [
    "ROLES",
    "Bucket",
    "BucketConfig",
    "Entry",
    "Role",
    "Store",
    "StoreDirectory",
    "read_config",
]
