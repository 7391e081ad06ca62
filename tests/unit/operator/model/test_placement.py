"""Who shares a worker: whoever asks for nothing of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from quantumjob_contract import names
from quantumjob_operator.model.placement import DEDICATED, DEFAULT_RESOURCES, SHARED, placement
from support.kube import another, quantumjob

CRD = Path(__file__).parents[4] / "crds" / "quantumjobs.yaml"


def defaults_of_the_schema() -> dict[str, Any]:
    """What the API server fills in for spec.resources."""
    schema = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    node = schema["properties"]["spec"]["properties"]["resources"]
    return {
        part: {name: quantity["default"] for name, quantity in each["properties"].items()}
        for part, each in node["properties"].items()
    }


def test_the_default_resources_are_the_schema_s() -> None:
    of_schema = defaults_of_the_schema()
    as_text = {part: {name: str(quantity) for name, quantity in each.items()} for part, each in of_schema.items()}
    assert as_text == DEFAULT_RESOURCES


def test_a_job_as_the_api_server_fills_it_in_is_shared() -> None:
    assert placement(another("a", resources=defaults_of_the_schema())) == SHARED
    assert placement(another("a", resources=DEFAULT_RESOURCES)) == SHARED, "quantities may be text, too"
    assert placement(quantumjob()) == SHARED


def test_a_dedicated_job_is_not_shared() -> None:
    assert placement(another("a", dedicated=True)) == DEDICATED


@pytest.mark.parametrize("part", ["requests", "limits"])
@pytest.mark.parametrize("name", ["cpu", "memory"])
def test_a_job_with_resources_of_its_own_is_not_shared(part: str, name: str) -> None:
    changed = DEFAULT_RESOURCES | {part: DEFAULT_RESOURCES[part] | {name: "2Gi"}}
    assert placement(another("a", resources=changed)) == DEDICATED


def test_a_job_for_kueue_is_not_shared() -> None:
    assert placement(another("a", labels={names.LABEL_QUEUE: "mine"})) == DEDICATED
    assert placement(another("a", labels={"team": "blue"})) == SHARED
