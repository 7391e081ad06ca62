"""OpenAPI is complete, and the page of the docs is made from it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from quantumjob_api import docs
from quantumjob_api.problems import Reason

JSON = dict[str, Any]
ROOT = Path(__file__).resolve().parents[3]
SCHEMA = docs.openapi()
OPERATIONS = [
    (path, method, operation) for path, methods in SCHEMA["paths"].items() for method, operation in methods.items()
]


def test_the_page_is_current() -> None:
    assert (ROOT / "docs/rest.md").read_text() == docs.page(), "python -m quantumjob_api.docs > docs/rest.md"


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_every_operation_tells_its_errors_and_needs_a_token(path: str, method: str, operation: JSON) -> None:
    assert operation["summary"]
    assert operation["description"]
    assert operation["security"] == [{"kubernetes": []}]
    for status in ("400", "401", "403", "404", "422", "429", "500", "503"):
        assert list(operation["responses"][status]["content"]) == ["application/problem+json"]


def test_every_reference_leads_somewhere() -> None:
    references = set(re.findall(r"'#/components/schemas/(\w+)'", str(SCHEMA)))
    assert references <= set(SCHEMA["components"]["schemas"])
    assert "HTTPValidationError" not in SCHEMA["components"]["schemas"]


def test_every_reason_is_documented() -> None:
    text = docs.page()
    for reason in Reason:
        assert f"`{reason}`" in text
