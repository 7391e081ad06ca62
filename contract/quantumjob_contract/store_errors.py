"""Exceptions of the object store, of every client of it.

StoreError
├── StoreUnavailable     no answer, or an error of the store; a repeat may succeed
├── AccessDenied         the signature is wrong or has expired, or the key has no right
├── ObjectNotFound       no object has this key
├── ObjectTooLarge       the object is larger than the caller accepts
├── StoreMisconfigured   the store's configuration cannot be used
└── VerificationError    the bytes are not those that the manifest or the status names
"""

from __future__ import annotations


class StoreError(Exception):
    """Base class: the store did not do what was asked."""


class StoreUnavailable(StoreError):
    """The store could not be reached, or answered with an error of its own. Another attempt may succeed."""


class AccessDenied(StoreError):
    """The store refused the request: the signature is wrong or has expired, or the key has no right."""


class ObjectNotFound(StoreError):
    """No object has this key."""


class ObjectTooLarge(StoreError):
    """The object is larger than the caller accepts."""


class StoreMisconfigured(StoreError):
    """The store's configuration cannot be used. The message names the file and what to write to it."""


class VerificationError(StoreError):
    """An object's bytes are not those that the manifest, or the resource's status, names."""
