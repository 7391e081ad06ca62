"""Encodes the body of a request."""

from __future__ import annotations

import json
from typing import Any


def encoded(value: Any) -> bytes:
    """Returns JSON in UTF-8; NumPy's numbers and arrays become Python's. Raises ValueError for NaN and infinity."""
    try:
        return json.dumps(value, allow_nan=False, default=_python_s, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        raise ValueError(
            "A text of the job has half a surrogate pair, which UTF-8 cannot encode: correct the text."
        ) from None
    except ValueError as error:
        if "JSON compliant" not in str(error):
            raise
        raise ValueError(
            "A number of the job is NaN or infinite. JSON has no such number; give a finite one."
        ) from None


def _python_s(value: Any) -> Any:
    if hasattr(value, "tolist"):  # without importing NumPy, so that the command line starts fast
        return value.tolist()
    raise TypeError(f"A job cannot hold a {type(value).__name__}: {value!r}.")
