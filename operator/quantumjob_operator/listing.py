"""The object of pubsFrom, looked at once, when its job is accepted: how many pubs it lists, and its sha256.

What a line says is the worker's to read: one that cannot be taken costs its pub and no other.
"""

from __future__ import annotations

import hashlib
from typing import Any

from quantumjob_contract import keys, limits
from quantumjob_contract.lines import Counter
from quantumjob_contract.transfer import NotFound
from quantumjob_operator.acceptance import Refusal
from quantumjob_operator.buckets import ObjectBucket

JSON = dict[str, Any]
PLACE = "spec.program.pubsFrom.object"


async def look(circuits: ObjectBucket, quantumjob: JSON) -> JSON | Refusal:
    """What `status.pubsFrom` shall say, or why the job cannot be accepted. Raises the errors of `transfer`."""
    wanted = quantumjob["spec"]["program"]["pubsFrom"]["object"]
    key = wanted["key"]
    if not keys.stays_inside(key):
        return Refusal(f"{PLACE}.key {keys.INSIDE}")
    counter, sha256, size = Counter(), hashlib.sha256(), 0
    try:
        async with circuits.open(keys.circuit(quantumjob["metadata"]["namespace"], key)) as content:
            async for chunk in content.chunks:
                size += len(chunk)
                if size > limits.MAX_LISTED_BYTES:
                    return Refusal(f"{PLACE} {key} has more than {limits.MAX_LISTED_BYTES} bytes: split the job.")
                counter.add(chunk)
                sha256.update(chunk)
    except NotFound:
        return Refusal(
            f"{PLACE} {key} is not in the circuits bucket under this namespace: upload it, and create the job again."
        )
    if not counter.lines:
        return Refusal(f"{PLACE} {key} lists no pubs: write a JSON object for each into a line of its own.")
    if counter.lines > limits.MAX_LISTED_PUBS:
        return Refusal(
            f"{PLACE} {key} lists {counter.lines} pubs, the limit is {limits.MAX_LISTED_PUBS}: split the job."
        )
    found = sha256.hexdigest()
    if wanted.get("sha256", found) != found:
        return Refusal(
            f"{PLACE} {key} has the sha256 {found}, not the one in the spec: it was replaced, or the spec is wrong."
        )
    return {"sha256": found, "bytes": size, "pubs": counter.lines}
