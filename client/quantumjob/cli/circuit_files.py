"""A circuit's file as a submission has it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from quantumjob_contract import limits
from quantumjob_contract.schema.program import Format

JSON = dict[str, Any]
_VERSION: Final = re.compile(r"(?:\s|//[^\n]*\n|/\*.*?\*/)*OPENQASM\s+(\d+)", re.DOTALL)
PUB: Final = "circuit"
"""As the service calls the pub of a submission that has a circuit inside."""


class NotACircuit(ValueError):
    """Neither OpenQASM nor QPY."""


class CircuitSource(NamedTuple):
    """A file, and the same as text inside a submission."""

    data: bytes
    text: str
    format: Format


def circuit(path: Path) -> CircuitSource:
    """By the file's suffix and, for OpenQASM, its header. Raises NotACircuit, OSError."""
    data = path.read_bytes()
    if len(data) > limits.MAX_CIRCUIT_BYTES:
        raise NotACircuit(f"{path} has {len(data)} bytes; the limit of a circuit is {limits.MAX_CIRCUIT_BYTES}.")
    if path.suffix == ".qpy":
        return CircuitSource(data, base64.b64encode(data).decode(), "QPY")
    if path.suffix != ".qasm":
        raise NotACircuit(f"{path}: the name must end with .qasm or .qpy.")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise NotACircuit(f"{path} is not text in UTF-8.") from None
    return CircuitSource(data, text, language(text))


def submission(given: CircuitSource, asked: JSON, upload: Callable[[bytes], str]) -> JSON:
    """The circuit with shots and seed; what is too large to be inside is uploaded, which gives its key."""
    if len(given.text) <= limits.MAX_INLINE_CHARS:
        return {"circuit": given.text, "format": given.format} | asked
    where = {"key": upload(given.data), "sha256": hashlib.sha256(given.data).hexdigest()}
    pub = {"name": PUB, "circuit": {"format": given.format, "object": where}}
    return {"spec": {"program": {"pubs": [pub]} | asked}}


def language(text: str) -> Format:
    """OpenQASM 3 where a header does not say 2: it may be left out there."""
    header = _VERSION.match(text)
    return "OpenQASM2" if header and header[1] == "2" else "OpenQASM3"
