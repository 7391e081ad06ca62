"""OpenAPI is complete, and docs/rest.md names every call and every error."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from quantumjob_api.app import create
from quantumjob_api.problems import STATUS, ApiReason

JSON = dict[str, Any]
PAGE = (Path(__file__).resolve().parents[3] / "docs/rest.md").read_text()


async def not_opened() -> Any:
    raise NotImplementedError


SCHEMA = create(not_opened).openapi()
OPERATIONS = [
    (path, method, operation) for path, methods in SCHEMA["paths"].items() for method, operation in methods.items()
]


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_every_operation_describes_its_errors_and_needs_a_token(path: str, method: str, operation: JSON) -> None:
    assert operation["summary"]
    assert operation["description"]
    assert operation["security"] == [{"kubernetes": []}]
    for status in ("400", "401", "403", "404", "422", "429", "500", "503"):
        assert list(operation["responses"][status]["content"]) == ["application/problem+json"]


def test_every_reference_has_a_schema() -> None:
    references = set(re.findall(r"'#/components/schemas/(\w+)'", str(SCHEMA)))
    assert references == set(SCHEMA["components"]["schemas"])


def test_the_page_names_every_call_and_no_other() -> None:
    found = re.findall(r"`(GET|POST|PUT|DELETE) (/v1/[^`]*)`", PAGE)
    assert sorted(set(found)) == sorted((method.upper(), path) for path, method, _ in OPERATIONS)


def test_the_page_has_every_error_at_its_status() -> None:
    rows = re.findall(r"^\| (\d{3}) \| (.*) \|$", PAGE, re.MULTILINE)
    found = {reason: int(status) for status, reasons in rows for reason in re.findall(r"`(\w+)`", reasons)}
    assert found == {str(reason): STATUS[reason] for reason in ApiReason}
