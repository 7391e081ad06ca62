"""Inspects the object of `pubsFrom` once, at acceptance: counts its pubs and hashes it.

Lines and circuits are parsed by the worker: an invalid one fails its pub only.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from quantumjob_contract import keys, limits
from quantumjob_contract.pubs import qpy_file
from quantumjob_contract.pubs.json_lines import LineCounter
from quantumjob_contract.store_errors import ObjectNotFound
from quantumjob_operator.model.validation import Rejection
from quantumjob_operator.results.ports import ObjectBucket

JSON = dict[str, Any]
PLACE = "spec.program.pubsFrom"


class InvalidObject(Exception):
    """The object is invalid. The message follows the field's name and the object's key."""


class ObjectDigest(NamedTuple):
    """What is kept of an object that was read once."""

    head: bytes
    bytes: int
    lines: int
    sha256: str


async def inspect(circuits: ObjectBucket, quantumjob: JSON) -> JSON | Rejection:
    """Returns `status.pubsFrom`, or why the job is invalid. Raises StoreError."""
    namespace, given = quantumjob["metadata"]["namespace"], quantumjob["spec"]["program"]["pubsFrom"]
    place, wanted = f"{PLACE}.object", given["object"]
    try:
        digest = await _digest(circuits, namespace, wanted)
        pubs = _count(digest, given.get("format", "JSONLines"))
        found: JSON = {"sha256": digest.sha256, "bytes": digest.bytes, "pubs": pubs}
        if parameters := given.get("parameters"):
            place, wanted = f"{PLACE}.parameters", parameters
            digest = await _digest(circuits, namespace, wanted)
            _check_pairs(digest, pubs)
            found["parametersSha256"] = digest.sha256
    except InvalidObject as error:
        return Rejection(f"{place} {wanted['key']} {error}.")
    return found


def _check_pairs(parameters: ObjectDigest, circuits: int) -> None:
    """Raises InvalidObject where parameters and circuits differ in number."""
    if parameters.lines != circuits:
        raise InvalidObject(
            f"has {parameters.lines} lines for {circuits} circuits: write one line per circuit, "
            "{} for a circuit without parameters"
        )


def _count(digest: ObjectDigest, form: str) -> int:
    """Returns the number of pubs. Raises InvalidObject."""
    try:
        pubs = digest.lines if form == "JSONLines" else qpy_file.count(digest.head)
    except qpy_file.NotQpy as error:
        raise InvalidObject(str(error)) from None
    if not pubs:
        raise InvalidObject("lists no pubs: write one JSON object per line, or all circuits into one QPY file")
    if pubs > limits.MAX_LISTED_PUBS:
        raise InvalidObject(f"lists {pubs} pubs, the limit is {limits.MAX_LISTED_PUBS}: split the job")
    return pubs


async def _digest(circuits: ObjectBucket, namespace: str, wanted: JSON) -> ObjectDigest:
    """Reads the object. Raises InvalidObject or StoreError."""
    if not keys.stays_inside(wanted["key"]):
        raise InvalidObject(keys.INSIDE.rstrip("."))
    counter, sha256, size, head = LineCounter(), hashlib.sha256(), 0, b""
    try:
        async with circuits.open(keys.circuit(namespace, wanted["key"])) as content:
            async for chunk in content.chunks:
                size += len(chunk)
                if size > limits.MAX_LISTED_BYTES:
                    raise InvalidObject(f"has more than {limits.MAX_LISTED_BYTES} bytes: split the job")
                head += chunk[: qpy_file.HEAD_BYTES - len(head)]
                counter.add(chunk)
                sha256.update(chunk)
    except ObjectNotFound:
        raise InvalidObject(
            "is not in the circuits bucket under this namespace: upload it and create the job again"
        ) from None
    found = sha256.hexdigest()
    if wanted.get("sha256", found) != found:
        raise InvalidObject(
            f"has the sha256 {found}, which differs from the spec: the object was replaced, or the spec is wrong"
        )
    return ObjectDigest(head, size, counter.lines, found)
