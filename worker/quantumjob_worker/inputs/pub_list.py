"""The pubs of a program: those in it, or those that an object in the circuits bucket lists.

No circuit is parsed here, and of an object's lines only where they begin is kept.
"""

from __future__ import annotations

import base64
import codecs
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import msgspec
import urllib3

from quantumjob_contract import limits, names
from quantumjob_contract.exit_codes import Exit
from quantumjob_contract.pubs import arrays, validation
from quantumjob_contract.pubs.json_lines import spans
from quantumjob_contract.pubs.qpy_file import NotQpy, QpyFile
from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.decoding import decode
from quantumjob_contract.schema.object_ref import ObjectRef
from quantumjob_contract.schema.program import (
    Circuit,
    Format,
    Primitive,
    Program,
    Pub,
    PubsReference,
    default_name,
    new_pub,
)
from quantumjob_contract.schema.saved_arrays import Save
from quantumjob_contract.store_errors import ObjectNotFound, ObjectTooLarge
from quantumjob_worker.clients import object_refs
from quantumjob_worker.errors import OrderFailed, PubFailed

CHANGED: Final = (
    "The object of spec.program.pubsFrom is not what it was when the job was accepted. Put the pubs under a key that "
    "is never written again, and create the job anew."
)


CAUSE_CHARS: Final = 160
"""Of what msgspec says: types, and names of fields; of a line that is no JSON at all, where."""


class PubList(Protocol):
    """All pubs of a program, by index."""

    def __len__(self) -> int: ...
    def points(self, index: int) -> int: ...
    def arrays_bytes(self, index: int) -> int:
        """Bytes of what comes with the circuit, about."""

    def __getitem__(self, index: int) -> Pub:
        """Raises PubFailed."""


class InlinePubs:
    """PubList that the program holds."""

    def __init__(self, pubs: list[Pub]) -> None:
        self._pubs = pubs

    def __len__(self) -> int:
        return len(self._pubs)

    def points(self, index: int) -> int:
        return arrays.points(self._pubs[index].parameter_values)

    def arrays_bytes(self, index: int) -> int:  # noqa: ARG002
        return 0  # all of them are in a program of a few MiB

    def __getitem__(self, index: int) -> Pub:
        return self._pubs[index]


class LineCircuit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A circuit as text; base64 for QPY."""

    inline: str
    format: Format = "OpenQASM3"


class PubFields(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A pub without its circuit: the fields of one in spec.program.pubs, of which none must be there."""

    name: str | None = None
    shots: int | None = None
    parameter_values: dict[str, Any] = {}
    observables: Any = None
    precision: float | None = None
    save: list[Save] = []


class PubLine(PubFields, frozen=True, kw_only=True):
    """A pub in a line."""

    circuit: LineCircuit


class ListedPubs:
    """PubList that an object lists: a line for each, or a QPY file of circuits and another object's lines beside them.

    A line that is no pub is the error of its pub.
    """

    def __init__(self, primitive: Primitive, listed: PubsReference, data: bytes, parameters: bytes = b"") -> None:
        """Raises NotQpy."""
        self._primitive = primitive
        self._shots = listed.shots
        self._circuits = QpyFile(data) if listed.format == "QPY" else None
        self._data = (parameters if listed.format == "QPY" else data).removeprefix(codecs.BOM_UTF8)
        self._what = "the parameters" if listed.format == "QPY" else "the object"
        self._spans = list(spans(self._data))

    def __len__(self) -> int:
        return len(self._spans) if self._circuits is None else len(self._circuits)

    def arrays_bytes(self, index: int) -> int:
        span = self._spans[index] if self._spans else slice(0, 0)
        return int(span.stop - span.start)

    def points(self, index: int) -> int:
        try:
            return arrays.points(self[index].parameter_values)
        except PubFailed:
            return 1

    def __getitem__(self, index: int) -> Pub:
        fields = self._fields(index)
        if isinstance(fields, PubLine):
            circuit = Circuit(format=fields.circuit.format, inline=fields.circuit.inline)
        else:
            alone = self._circuits[index] if self._circuits is not None else b""
            circuit = Circuit(format="QPY", inline=base64.b64encode(alone).decode())
        pub = new_pub(
            self._primitive,
            self._shots,
            name=fields.name or default_name(index),
            circuit=circuit,
            shots=fields.shots,
            parameter_values=fields.parameter_values,
            observables=fields.observables,
            precision=fields.precision,
            save=fields.save,
        )
        if problem := self._problem(fields, pub):
            raise PubFailed(PubReason.INVALID_PUB, f"{self._place(index)}{problem}")
        return pub

    def _place(self, index: int) -> str:
        """The line of a pub as an editor counts it, with those that are blank."""
        start = self._spans[index].start if self._spans else 0
        line = self._data.count(b"\n", 0, start) + 1 if self._spans else index + 1
        return f"Line {line} of {self._what} of pubsFrom"

    def _fields(self, index: int) -> PubFields:
        """What the line says. Raises PubFailed."""
        if self._circuits is not None and not self._spans:
            return PubFields()
        span = self._spans[index]
        if span.stop - span.start > limits.MAX_LINE_BYTES:
            raise PubFailed(PubReason.INVALID_PUB, f"{self._place(index)} has more than {limits.MAX_LINE_BYTES} bytes.")
        line = memoryview(self._data)[span]
        try:
            return decode(line, PUB_LINE) if self._circuits is None else decode(line, PUB_FIELDS)
        except msgspec.DecodeError as error:
            found = bytes(line)
            hint = " JSON has neither NaN nor Infinity." if b"NaN" in found or b"Infinity" in found else ""
            told = f"{self._place(index)} is not a pub: {str(error)[:CAUSE_CHARS]}.{hint}"
            raise PubFailed(PubReason.INVALID_PUB, told) from None

    def _problem(self, line: PubFields, pub: Pub) -> str:
        """What the schema and acceptance would say of it, after its place."""
        if names.PUB_NAME.fullmatch(pub.name) is None:
            return ": name must be a DNS label: at most 63 lower-case letters, digits and '-'."
        if line.shots is not None and not 1 <= line.shots <= limits.MAX_SHOTS:
            return f": shots must be from 1 to {limits.MAX_SHOTS}."
        if line.precision is not None and not 0 <= line.precision <= limits.MAX_PRECISION:
            return f": precision must be from 0 to {limits.MAX_PRECISION}."
        if line.precision is not None and (line.shots is not None or self._primitive != "Estimator"):
            return ": only an Estimator's pub has a precision, and then no shots."
        try:
            size = validation.size(self._primitive, pub)
        except validation.BadPub as bad:
            return bad.message("", pub.name)
        if size.values > limits.MAX_LISTED_VALUES:
            return f" has {size.values} parameter values, the limit is {limits.MAX_LISTED_VALUES}: split it."
        if size.terms > limits.MAX_TERMS:
            return f" has {size.terms} Pauli strings, the limit is {limits.MAX_TERMS}: split it."
        return ""


PUB_LINE: Final = msgspec.json.Decoder(PubLine)
PUB_FIELDS: Final = msgspec.json.Decoder(PubFields)


def pubs_of(
    program: Program,
    urls: Mapping[str, str],
    http: urllib3.PoolManager,
    *,
    until: float,
    wait: Callable[[float], None],
) -> PubList:
    """Raises OrderFailed, or StoreUnavailable and AccessDenied."""
    listed = program.listed
    if listed is None:
        return InlinePubs(program.pubs)

    def fetched(reference: ObjectRef | None) -> bytes:
        if reference is None:
            return b""
        return object_refs.fetch(reference, urls, http, limits.MAX_LISTED_BYTES, until=until, wait=wait)

    try:
        data, parameters = fetched(ObjectRef(listed.key, listed.sha256)), fetched(listed.parameters)
        found = ListedPubs(program.primitive, listed, data, parameters)
    except (object_refs.NoUrl, object_refs.Mismatch, ObjectNotFound, ObjectTooLarge):
        raise OrderFailed(Exit.BAD_PROGRAM, CHANGED) from None
    except NotQpy as error:
        raise OrderFailed(Exit.BAD_PROGRAM, f"The object of spec.program.pubsFrom {error}.") from None
    if len(found) != listed.pubs:
        raise OrderFailed(Exit.BAD_PROGRAM, CHANGED)
    return found
