"""The same submission sent again is the same job. Pure; why it is kept on the QuantumJob: docs/decisions/."""

from __future__ import annotations

import hashlib
from enum import Enum
from typing import Any

import msgspec

from quantumjob_contract import names

JSON = dict[str, Any]


class SubmissionMatch(Enum):
    """What a QuantumJob that is there is to a submission."""

    SAME = "same"
    OTHER_BODY = "other body"
    OTHER_KEY = "stranger"


def label(key: str) -> str:
    """The key as a label's value: whoever may read the job does not learn it."""
    return hashlib.sha256(b"key\0" + key.encode()).hexdigest()[:40]


def name(namespace: str, key: str) -> str:
    """What follows the prefix in the name of a job whose submission gives a key and no name."""
    return hashlib.sha256(f"name\0{namespace}\0{key}".encode()).hexdigest()[:20]


def fingerprint(body: JSON) -> str:
    """The same for the same submission, however its JSON is spaced and ordered."""
    return hashlib.sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()


def compare(there: JSON, wanted: JSON) -> SubmissionMatch:
    """Whether what is there was made by the submission that `wanted` was made from."""
    mine, other = wanted["metadata"], there["metadata"]
    key = mine["labels"].get(names.LABEL_IDEMPOTENCY)
    if key is None or (other.get("labels") or {}).get(names.LABEL_IDEMPOTENCY) != key:
        return SubmissionMatch.OTHER_KEY
    made_of = (other.get("annotations") or {}).get(names.ANNOTATION_REQUEST)
    return (
        SubmissionMatch.SAME if made_of == mine["annotations"][names.ANNOTATION_REQUEST] else SubmissionMatch.OTHER_BODY
    )
