"""A circuit's file as a submission has it."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any, Final

from quantumjob_contract.program import Format

JSON = dict[str, Any]
_VERSION: Final = re.compile(r"(?:\s|//[^\n]*\n|/\*.*?\*/)*OPENQASM\s+(\d+)", re.DOTALL)


class NotACircuit(ValueError):
    """Neither OpenQASM nor QPY."""


def circuit(path: Path) -> JSON:
    """`circuit` and `format`, by the file's suffix and, for OpenQASM, its header. Raises NotACircuit, OSError."""
    data = path.read_bytes()
    if path.suffix == ".qpy":
        return {"circuit": base64.b64encode(data).decode(), "format": "QPY"}
    if path.suffix != ".qasm":
        raise NotACircuit(f"{path}: the name must end with .qasm or .qpy.")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise NotACircuit(f"{path} is not text in UTF-8.") from None
    return {"circuit": text, "format": language(text)}


def language(text: str) -> Format:
    """OpenQASM 3 where a header does not say 2: it may be left out there."""
    header = _VERSION.match(text)
    return "OpenQASM2" if header and header[1] == "2" else "OpenQASM3"
