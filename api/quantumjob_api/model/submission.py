"""Converts a submission to a QuantumJob, and to the circuits that must be uploaded before it. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec
from pydantic import ValidationError

from quantumjob_api.model import idempotency
from quantumjob_api.model.schemas import PATTERN_MESSAGES, CircuitSubmission, SpecSubmission
from quantumjob_api.problems import ApiProblem, ApiReason
from quantumjob_contract import limits, names
from quantumjob_contract.transfer import sha256

JSON = dict[str, Any]
MAX_BYTES: Final = 4 * limits.MIB
"""Of a submission. Larger circuits are uploaded to the bucket first."""
MAX_INLINE_TOTAL: Final = limits.MIB
"""Characters of all inline circuits of a QuantumJob: the limit of its schema."""
OTHER_PATTERN: Final = "contains a character that is not allowed, or does not match the required pattern"
PREFIX: Final = "job-"
PUB: Final = "circuit"


class ParsedSubmission(NamedTuple):
    """A valid submission, and the fingerprint that recognizes it."""

    body: CircuitSubmission | SpecSubmission
    fingerprint: str


class NewJob(NamedTuple):
    """A QuantumJob to create, and the circuits to upload before, by key."""

    quantumjob: JSON
    uploads: dict[str, bytes]


def parse(data: bytes) -> ParsedSubmission:
    """Parses a body. Raises ApiProblem (InvalidRequest)."""
    try:
        body = msgspec.json.decode(data)
        known = idempotency.fingerprint(body)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):  # too deep, or a number too large
        raise ApiProblem(ApiReason.INVALID_REQUEST, "The body is not JSON in UTF-8: send a JSON object.") from None
    if not isinstance(body, dict) or ("spec" in body) == ("circuit" in body):
        raise ApiProblem(
            ApiReason.INVALID_REQUEST, "The body must be a JSON object with exactly one of `spec` and `circuit`."
        )
    try:
        return ParsedSubmission((SpecSubmission if "spec" in body else CircuitSubmission).model_validate(body), known)
    except ValidationError as error:
        raise invalid(error.errors()) from None


def invalid(errors: Any) -> ApiProblem:
    """The problem of a failed validation. It does not repeat the values that were sent."""
    found = [{"at": ".".join(str(part) for part in each["loc"]), "message": _message(each)} for each in errors]
    detail = "; ".join(f"{each['at']}: {each['message']}" for each in found[:5])
    return ApiProblem(ApiReason.INVALID_REQUEST, detail, errors=found[:20])


def _message(error: Any) -> str:
    """The message of a validation error, with patterns in words."""
    if error["type"] != "string_pattern_mismatch":
        return str(error["msg"])
    return PATTERN_MESSAGES.get(error["ctx"]["pattern"], OTHER_PATTERN)


def new_job(parsed: ParsedSubmission, namespace: str, key: str | None) -> NewJob:
    """The QuantumJob of a submission, and its circuits that are too large to be inline. Raises ApiProblem."""
    body = parsed.body
    spec = body.spec if isinstance(body, SpecSubmission) else circuit_spec(body)
    uploads = move_out(spec)
    reserved = [label for label in body.labels if f".{label.partition('/')[0]}".endswith(f".{names.GROUP}")]
    if reserved:
        raise ApiProblem(ApiReason.INVALID_REQUEST, f"labels: {reserved[0]} is reserved: remove it.")
    metadata: JSON = {"labels": dict(body.labels)}
    if key is not None:
        metadata["labels"][names.LABEL_IDEMPOTENCY] = idempotency.label(key)
        metadata["annotations"] = {names.ANNOTATION_REQUEST: parsed.fingerprint}
    if body.name is not None:
        metadata["name"] = body.name
    elif key is not None:
        metadata["name"] = PREFIX + idempotency.name(namespace, key)
    else:
        metadata["generateName"] = PREFIX
    quantumjob = {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": metadata, "spec": spec}
    return NewJob(quantumjob, uploads)


def circuit_spec(sent: CircuitSubmission) -> JSON:
    program: JSON = {"pubs": [{"name": PUB, "circuit": {"format": sent.format, "inline": sent.circuit}}]}
    given = {"shots": sent.shots, "seed": sent.seed}
    return {"program": program | {name: value for name, value in given.items() if value is not None}}


def move_out(spec: JSON) -> dict[str, bytes]:
    """Replaces the largest inline circuits by references until the rest fits, and returns them by key.

    Whatever does not have the form of a spec is left to the API server's validation.
    """
    circuits = sorted(_inline(spec), key=lambda circuit: len(circuit["inline"]))
    total = sum(len(circuit["inline"]) for circuit in circuits)
    uploads: dict[str, bytes] = {}
    while circuits and (total > MAX_INLINE_TOTAL or len(circuits[-1]["inline"]) > limits.MAX_INLINE_CHARS):
        circuit = circuits.pop()
        text = circuit.pop("inline")
        total -= len(text)
        data = _bytes(text, circuit.get("format"))
        digest = sha256(data)
        circuit["object"] = {"key": object_key(digest), "sha256": digest}
        uploads[object_key(digest)] = data
    return uploads


def object_key(digest: str) -> str:
    """The key of a circuit that is named by its content, relative to the namespace."""
    return f"sha256/{digest}"


def _inline(spec: JSON) -> Iterator[JSON]:
    program = spec.get("program")
    pubs = program.get("pubs") if isinstance(program, dict) else None
    for pub in pubs if isinstance(pubs, list) else ():
        circuit = pub.get("circuit") if isinstance(pub, dict) else None
        if isinstance(circuit, dict) and isinstance(circuit.get("inline"), str) and "object" not in circuit:
            yield circuit


def _bytes(text: str, form: object) -> bytes:
    if form != "QPY":
        return text.encode()
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ApiProblem(ApiReason.INVALID_REQUEST, "The QPY circuit is not base64: encode the file's bytes.") from None
