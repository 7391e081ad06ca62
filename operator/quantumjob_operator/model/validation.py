"""Validates a QuantumJob: returns its program, or why it can never run. Pure.

The schema and its CEL rules refuse most invalid specs at apply. Here is what they cannot express.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, NamedTuple

from quantumjob_contract import keys, limits, names
from quantumjob_contract.pubs import seeds
from quantumjob_contract.schema.backend import Backend, backend_of
from quantumjob_contract.schema.object_ref import ObjectRef
from quantumjob_contract.schema.program import Circuit, Primitive, Program, Pub, PubsReference, encode, new_pub
from quantumjob_operator.model import validation_arrays

JSON = dict[str, Any]


class Rejection(NamedTuple):
    """Why a spec is invalid, and what to do."""

    message: str


def owner(quantumjob: JSON) -> keys.Owner:
    meta = quantumjob["metadata"]
    return keys.Owner(meta["namespace"], meta["uid"])


def is_unseen(quantumjob: JSON) -> bool:
    """Whether the object of `pubsFrom` is still to be inspected."""
    return "pubsFrom" in quantumjob["spec"]["program"] and "pubsFrom" not in quantumjob.get("status", {})


def accept(quantumjob: JSON) -> Program | Rejection:
    """Returns the program with all defaults filled in and the seed fixed. Depends on the resource alone.

    With `pubsFrom`, the status must hold the result of `pubs_object.inspect`.
    """
    meta, spec = quantumjob["metadata"], quantumjob["spec"]["program"]
    shots = spec.get("shots", limits.DEFAULT_SHOTS)
    primitive: Primitive = spec.get("primitive", "Sampler")
    pubs = [_pub(pub, shots, primitive) for pub in spec.get("pubs", [])]
    for index, pub in enumerate(pubs):
        if pub.circuit.object is not None and not keys.stays_inside(pub.circuit.object.key):
            return Rejection(f"spec.program.pubs[{index}].circuit.object.key ({pub.name}) {keys.INSIDE}")
        if pub.circuit.format == "QPY" and pub.circuit.inline is not None and not _is_base64(pub.circuit.inline):
            return Rejection(
                f"spec.program.pubs[{index}] ({pub.name}): an inline QPY circuit must be base64; "
                "encode the file's bytes and create the QuantumJob again."
            )
    if wrong := validation_arrays.problem(primitive, pubs):
        return Rejection(wrong)
    backend = _backend(quantumjob["spec"].get("backend", {}))
    if isinstance(backend, Rejection):
        return backend
    program = Program(
        api_version=names.API_VERSION,
        uid=meta["uid"],
        namespace=meta["namespace"],
        name=meta["name"],
        primitive=primitive,
        seed=spec.get("seed", seeds.job_seed(meta["uid"])),
        pubs=pubs,
        listed=_listed(quantumjob, shots) if "pubsFrom" in spec else None,
        parallelism=quantumjob["spec"].get("parallelism", 1),
        backend=backend,
        labels=meta.get("labels") or {},
        created=meta["creationTimestamp"],
    )
    size = len(encode(program))
    if size > limits.MAX_PROGRAM_BYTES:
        return Rejection(
            f"spec.program has {size} bytes, the limit is {limits.MAX_PROGRAM_BYTES}: "
            "upload the circuits and reference them by `object`."
        )
    return program


def _listed(quantumjob: JSON, shots: int) -> PubsReference:
    """Builds the reference to the pubs from `status.pubsFrom`."""
    found = quantumjob["status"]["pubsFrom"]
    given = quantumjob["spec"]["program"]["pubsFrom"]
    parameters = given.get("parameters")
    return PubsReference(
        given["object"]["key"],
        found["sha256"],
        found["pubs"],
        shots,
        given.get("format", "JSONLines"),
        ObjectRef(parameters["key"], found["parametersSha256"]) if parameters else None,
    )


def _backend(spec: JSON) -> Backend | Rejection:
    try:
        backend = backend_of(spec)
    except ValueError as error:
        return Rejection(f"spec.backend is invalid: {error}. Create the QuantumJob again.")
    noise = backend.noise
    if noise is not None and noise.object is not None and not keys.stays_inside(noise.object.key):
        return Rejection(f"spec.backend.noise.object.key {keys.INSIDE}")
    return backend


def _pub(pub: JSON, shots: int, primitive: Primitive) -> Pub:
    circuit = pub["circuit"]
    found = circuit.get("object")
    return new_pub(
        primitive,
        shots,
        name=pub["name"],
        circuit=Circuit(
            format=circuit.get("format", "OpenQASM3"),
            inline=circuit.get("inline"),
            object=ObjectRef(found["key"], found.get("sha256")) if found else None,
        ),
        shots=pub.get("shots"),
        parameter_values=pub.get("parameterValues", {}),
        observables=pub.get("observables"),
        precision=pub.get("precision"),
        save=pub.get("save", ()),
    )


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
