"""Reads circuit files for a submission."""

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
"""The name that the service gives the pub of a submission with an inline circuit."""


class NotACircuit(ValueError):
    """The file is not a circuit in OpenQASM or QPY."""


class CircuitSource(NamedTuple):
    """Bytes of a file, and the text of an inline circuit."""

    data: bytes
    text: str
    format: Format


def circuit(path: Path) -> CircuitSource:
    """Reads a file; its suffix and, for OpenQASM, its header give the format. Raises NotACircuit, OSError."""
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
    """Returns the submission. A circuit too large for it is uploaded by `upload`, which returns its key."""
    if len(given.text) <= limits.MAX_INLINE_CHARS:
        return {"circuit": given.text, "format": given.format} | asked
    where = {"key": upload(given.data), "sha256": hashlib.sha256(given.data).hexdigest()}
    pub = {"name": PUB, "circuit": {"format": given.format, "object": where}}
    return {"spec": {"program": {"pubs": [pub]} | asked}}


def language(text: str) -> Format:
    """Returns the version of OpenQASM: 3 unless a header says 2. OpenQASM 3 allows no header."""
    header = _VERSION.match(text)
    return "OpenQASM2" if header and header[1] == "2" else "OpenQASM3"
