"""Recognizes a submission that is sent again by marks on its QuantumJob (docs/decisions/0010)."""

from __future__ import annotations

import hashlib
from enum import Enum
from typing import Any

import msgspec

from quantumjob_contract import names

JSON = dict[str, Any]


class SubmissionMatch(Enum):
    """How an existing QuantumJob relates to a submission."""

    SAME = "same"
    OTHER_BODY = "other body"
    OTHER_KEY = "other key"


def label(key: str) -> str:
    """The label's value for a key: a hash, since readers of the job must not learn the key."""
    return hashlib.sha256(b"key\0" + key.encode()).hexdigest()[:40]


def name(namespace: str, key: str) -> str:
    """The generated part of the name of a job that is submitted with a key and without a name."""
    return hashlib.sha256(f"name\0{namespace}\0{key}".encode()).hexdigest()[:20]


def fingerprint(body: JSON) -> str:
    """Hash of a submission, independent of white space and order of its JSON."""
    return hashlib.sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()


def compare(existing: JSON, wanted: JSON) -> SubmissionMatch:
    """Compares an existing QuantumJob with the one that a submission would create."""
    mine, other = wanted["metadata"], existing["metadata"]
    key = mine["labels"].get(names.LABEL_IDEMPOTENCY)
    if key is None or (other.get("labels") or {}).get(names.LABEL_IDEMPOTENCY) != key:
        return SubmissionMatch.OTHER_KEY
    made_of = (other.get("annotations") or {}).get(names.ANNOTATION_REQUEST)
    return (
        SubmissionMatch.SAME if made_of == mine["annotations"][names.ANNOTATION_REQUEST] else SubmissionMatch.OTHER_BODY
    )
