"""From what a user sends to the QuantumJob that is created, and to the circuits that must be uploaded first. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec
from pydantic import ValidationError

from quantumjob_api.model import idempotency
from quantumjob_api.model.schemas import IN_WORDS, CircuitSubmission, SpecSubmission
from quantumjob_api.problems import ApiProblem, ProblemReason
from quantumjob_contract import limits, names
from quantumjob_contract.transfer import sha256

JSON = dict[str, Any]
MAX_BYTES: Final = 4 * limits.MIB
"""Of one submission. A larger circuit is uploaded by itself, in a stream."""
MAX_INLINE_TOTAL: Final = limits.MIB
"""Characters of all inline circuits of a QuantumJob, as its schema has it."""
PREFIX: Final = "job-"
PUB: Final = "circuit"


class ParsedSubmission(NamedTuple):
    """A submission, and what knows it again."""

    what: CircuitSubmission | SpecSubmission
    fingerprint: str


class NewJob(NamedTuple):
    """A QuantumJob to create, and by their keys the circuits that it references."""

    quantumjob: JSON
    uploads: dict[str, bytes]


def parse(data: bytes) -> ParsedSubmission:
    """Raises Problem."""
    try:
        body = msgspec.json.decode(data)
        known = idempotency.fingerprint(body)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):  # too deep, or a number too large
        raise ApiProblem(ProblemReason.INVALID_REQUEST, "The body must be JSON in UTF-8.") from None
    if not isinstance(body, dict) or ("spec" in body) == ("circuit" in body):
        raise ApiProblem(
            ProblemReason.INVALID_REQUEST, "The body must be an object with `spec` or `circuit`, one of the two."
        )
    try:
        return ParsedSubmission((SpecSubmission if "spec" in body else CircuitSubmission).model_validate(body), known)
    except ValidationError as error:
        raise invalid(error.errors()) from None


def invalid(errors: Any) -> ApiProblem:
    """What a validation found, without what was sent."""
    found = [{"at": ".".join(str(part) for part in each["loc"]), "message": _said(each)} for each in errors]
    told = "; ".join(f"{each['at']}: {each['message']}" for each in found[:5])
    return ApiProblem(ProblemReason.INVALID_REQUEST, told, errors=found[:20])


def _said(error: Any) -> str:
    """Of a form that does not fit, in words."""
    if error["type"] != "string_pattern_mismatch":
        return str(error["msg"])
    return IN_WORDS.get(error["ctx"]["pattern"], "has a letter that cannot be here, or not the form that is wanted")


def new_job(given: ParsedSubmission, namespace: str, key: str | None) -> NewJob:
    """The QuantumJob of a submission, with circuits that are too large for it moved out. Raises Problem."""
    sent = given.what
    spec = sent.spec if isinstance(sent, SpecSubmission) else circuit_spec(sent)
    uploads = move_out(spec)
    own = [label for label in sent.labels if f".{label.partition('/')[0]}".endswith(f".{names.GROUP}")]
    if own:
        raise ApiProblem(ProblemReason.INVALID_REQUEST, f"labels: {own[0]} is the system's own.")
    metadata: JSON = {"labels": dict(sent.labels)}
    if key is not None:
        metadata["labels"][names.LABEL_IDEMPOTENCY] = idempotency.label(key)
        metadata["annotations"] = {names.ANNOTATION_REQUEST: given.fingerprint}
    if sent.name is not None:
        metadata["name"] = sent.name
    elif key is not None:
        metadata["name"] = PREFIX + idempotency.name(namespace, key)
    else:
        metadata["generateName"] = PREFIX
    body = {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": metadata, "spec": spec}
    return NewJob(body, uploads)


def circuit_spec(sent: CircuitSubmission) -> JSON:
    program: JSON = {"pubs": [{"name": PUB, "circuit": {"format": sent.format, "inline": sent.circuit}}]}
    given = {"shots": sent.shots, "seed": sent.seed}
    return {"program": program | {name: value for name, value in given.items() if value is not None}}


def move_out(spec: JSON) -> dict[str, bytes]:
    """Replaces inline circuits by references until the rest fits; gives the objects. What is odd stays as it is."""
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
    """Where a circuit lies that is named by its content, relative to the namespace."""
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
        raise ApiProblem(ProblemReason.INVALID_REQUEST, "A QPY circuit must be base64 of the file's bytes.") from None
