"""The pubs of a program, inline or listed by an object in the circuits bucket.

Parses no circuit. Of an object's lines only the positions are kept in memory; each is decoded when needed.
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
    "The object of spec.program.pubsFrom has changed since the job was accepted. Upload the pubs under a key that "
    "is never overwritten, and create the job again."
)


CAUSE_CHARS: Final = 160
"""Length of msgspec's message, which names types and fields, or the position of a JSON error."""


class PubList(Protocol):
    """All pubs of a program, by index."""

    def __len__(self) -> int: ...
    def points(self, index: int) -> int:
        """Returns the number of points of the pub's parameter values; 1 if the pub is invalid."""

    def arrays_bytes(self, index: int) -> int:
        """Returns the approximate size of the pub's parameter values and observables."""

    def __getitem__(self, index: int) -> Pub:
        """Returns the pub. Raises PubFailed if it is invalid."""


class InlinePubs:
    """Pubs in the program itself."""

    def __init__(self, pubs: list[Pub]) -> None:
        self._pubs = pubs

    def __len__(self) -> int:
        return len(self._pubs)

    def points(self, index: int) -> int:
        return arrays.points(self._pubs[index].parameter_values)

    def arrays_bytes(self, index: int) -> int:  # noqa: ARG002
        return 0  # negligible: the whole program has a few MiB

    def __getitem__(self, index: int) -> Pub:
        return self._pubs[index]


class LineCircuit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A circuit in a line: text, or base64 for QPY."""

    inline: str
    format: Format = "OpenQASM3"


class PubFields(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The fields of spec.program.pubs but the circuit, all optional."""

    name: str | None = None
    shots: int | None = None
    parameter_values: dict[str, Any] = {}
    observables: Any = None
    precision: float | None = None
    save: list[Save] = []


class PubLine(PubFields, frozen=True, kw_only=True):
    """A pub as one line of JSON."""

    circuit: LineCircuit


class ListedPubs:
    """Pubs listed by an object: a line each, or a QPY file of circuits with the other fields in a second object.

    A line that is not a valid pub is the error of its pub only.
    """

    def __init__(self, primitive: Primitive, listed: PubsReference, data: bytes, parameters: bytes = b"") -> None:
        """Raises NotQpy."""
        self._primitive = primitive
        self._shots = listed.shots
        self._circuits = QpyFile(data) if listed.format == "QPY" else None
        self._data = (parameters if listed.format == "QPY" else data).removeprefix(codecs.BOM_UTF8)
        self._source = "the parameters" if listed.format == "QPY" else "the object"
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
        """Returns the place of a pub for messages. Lines count from 1, blank lines included."""
        start = self._spans[index].start if self._spans else 0
        line = self._data.count(b"\n", 0, start) + 1 if self._spans else index + 1
        return f"Line {line} of {self._source} of pubsFrom"

    def _fields(self, index: int) -> PubFields:
        """Decodes a pub's line. Raises PubFailed."""
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
            hint = " JSON allows neither NaN nor Infinity." if b"NaN" in found or b"Infinity" in found else ""
            message = f"{self._place(index)} is not a valid pub: {str(error)[:CAUSE_CHARS]}.{hint}"
            raise PubFailed(PubReason.INVALID_PUB, message) from None

    def _problem(self, line: PubFields, pub: Pub) -> str:
        """Returns the end of the error message, by the rules of the CRD's schema and of acceptance; or nothing."""
        if names.PUB_NAME.fullmatch(pub.name) is None:
            return ": name must be a DNS label of at most 63 lower-case letters, digits and '-'."
        if line.shots is not None and not 1 <= line.shots <= limits.MAX_SHOTS:
            return f": shots must be from 1 to {limits.MAX_SHOTS}."
        if line.precision is not None and not 0 <= line.precision <= limits.MAX_PRECISION:
            return f": precision must be from 0 to {limits.MAX_PRECISION}."
        if line.precision is not None and (line.shots is not None or self._primitive != "Estimator"):
            return ": precision is allowed for an Estimator only, and not together with shots."
        try:
            size = validation.size(self._primitive, pub)
        except validation.BadPub as bad:
            return bad.message("", pub.name)
        if size.values > limits.MAX_LISTED_VALUES:
            return f" has {size.values} parameter values; the limit is {limits.MAX_LISTED_VALUES}. Split the pub."
        if size.terms > limits.MAX_TERMS:
            return f" has {size.terms} Pauli strings; the limit is {limits.MAX_TERMS}. Split the pub."
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
    """Returns the program's pubs, fetched if an object lists them. Raises OrderFailed and StoreError."""
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
