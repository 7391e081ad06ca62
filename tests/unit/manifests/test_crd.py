"""Checks that the CRD's schema is bounded, documented and immutable where it must be."""

from __future__ import annotations

import pytest
from rendered import ROOT, crd, fields, schema

from quantumjob_operator.model import status

FIELDS = dict(fields(schema()))


def inside_array(path: str) -> bool:
    """True for fields without a single type: a number, a string, or nested lists of these."""
    return path.startswith((".spec.program.pubs[].parameterValues{", ".spec.program.pubs[].observables"))


@pytest.mark.parametrize("path", FIELDS)
def test_every_field_has_a_description(path: str) -> None:
    if inside_array(path) and not path.endswith("observables"):
        return
    description = FIELDS[path].get("description", "")
    assert len(description.split()) >= 2
    assert description.endswith(".")


@pytest.mark.parametrize("path", [path for path, node in FIELDS.items() if node.get("default", {}) != {}])
def test_every_description_states_the_default(path: str) -> None:
    """`kubectl explain` prints descriptions, and no defaults."""
    default = FIELDS[path]["default"]
    assert f"Default: {str(default).lower() if isinstance(default, bool) else default}." in FIELDS[path]["description"]


@pytest.mark.parametrize(
    ("ending", "unit"),
    [
        ("Nanoseconds", "nanoseconds"),
        ("Seconds", "Seconds"),
        (".cpu", "cores"),
        (".memory", "bytes"),
        (".bytes", "bytes"),
    ],
)
def test_every_description_states_the_unit(ending: str, unit: str) -> None:
    paths = [path for path in FIELDS if path.endswith(ending)]
    assert paths
    for path in paths:
        assert unit in FIELDS[path]["description"], path


@pytest.mark.parametrize("path", [path for path, node in FIELDS.items() if node.get("type") in {"string", "array"}])
def test_every_string_and_list_is_bounded(path: str) -> None:
    node = FIELDS[path]
    assert {"enum", "maxLength"} & set(node) if node["type"] == "string" else "maxItems" in node


@pytest.mark.parametrize("path", [path for path, node in FIELDS.items() if node.get("type") in {"integer", "number"}])
def test_every_number_has_a_lower_bound(path: str) -> None:
    assert "minimum" in FIELDS[path] or inside_array(path)


def test_every_map_is_bounded_and_unknown_fields_are_numbers_strings_or_lists() -> None:
    for path, node in FIELDS.items():
        if not inside_array(path):
            assert "maxProperties" in node or "additionalProperties" not in node
            assert "x-kubernetes-preserve-unknown-fields" not in node
        elif node.get("type") != "number":
            assert "maxLength" in node
            assert node.get("maxProperties") == 0 or node["additionalProperties"] == {"type": "number"}
            assert "items" in node or node["maxItems"] == 0


def test_required_fields() -> None:
    required = {f"{path}.{name}" for path, node in FIELDS.items() for name in node.get("required", [])}
    assert {path for path in required if path.startswith(".spec")} == {
        ".spec",
        ".spec.program",
        ".spec.program.pubsFrom.object",
        ".spec.program.pubsFrom.object.key",
        ".spec.program.pubsFrom.parameters.key",
        ".spec.program.pubs[].name",
        ".spec.program.pubs[].circuit",
        ".spec.program.pubs[].circuit.object.key",
        ".spec.backend.noise.object.key",
        ".spec.backend.noise.relaxation.t1Nanoseconds",
        ".spec.backend.noise.relaxation.t2Nanoseconds",
    }


def test_defaults() -> None:
    assert {path: node["default"] for path, node in FIELDS.items() if node.get("default")} == {
        ".spec.program.primitive": "Sampler",
        ".spec.program.shots": 1024,
        ".spec.program.pubs[].circuit.format": "OpenQASM3",
        ".spec.program.pubsFrom.format": "JSONLines",
        ".spec.backend.name": "aer",
        ".spec.backend.method": "automatic",
        ".spec.backend.precision": "double",
        ".spec.parallelism": 1,
        ".spec.backoffLimit": 3,
        ".spec.activeDeadlineSeconds": 3600,
        ".spec.ttlSecondsAfterFinished": 300,
        ".spec.resources.requests.cpu": "250m",
        ".spec.resources.requests.memory": "256Mi",
        ".spec.resources.limits.cpu": 1,
        ".spec.resources.limits.memory": "1Gi",
    }


@pytest.mark.parametrize("name", sorted(FIELDS[".spec"]["properties"].keys() - {"cancel"}))
def test_every_field_of_the_spec_but_cancel_is_immutable(name: str) -> None:
    rules = FIELDS[f".spec.{name}"]["x-kubernetes-validations"]
    fixed = next(rule for rule in rules if "oldSelf" in rule["rule"])
    assert fixed["rule"].startswith("self == oldSelf")
    assert fixed["message"].startswith("field is immutable")
    assert fixed["message"].endswith(": create another QuantumJob")


def test_cancel_can_be_set_and_not_reset() -> None:
    """The rule forbids only true to false; by the default, a missing field is false."""
    cancel = FIELDS[".spec.cancel"]
    assert (cancel["type"], cancel["default"]) == ("boolean", False)
    (rule,) = cancel["x-kubernetes-validations"]
    assert rule["rule"] == "self || !oldSelf"
    assert rule["reason"] == "FieldValueForbidden"
    assert rule["message"] == "a cancelled job cannot be resumed: create another QuantumJob"


def test_an_ended_job_cannot_be_cancelled() -> None:
    """tests/cluster/refused cannot cover this: users do not write the status."""
    (rule,) = [rule for rule in schema()["x-kubernetes-validations"] if "oldSelf" in rule["rule"]]
    allowed, _, ended = rule["rule"].partition("|| !(self.status.phase in ")
    assert " ".join(allowed.split()) == (
        "!has(self.status) || !has(self.status.phase) || self.spec.cancel == oldSelf.spec.cancel"
    )
    assert ended.strip() == str(list(status.TERMINAL_PHASES)).replace('"', "'") + ")"
    assert (rule["reason"], rule["fieldPath"]) == ("FieldValueForbidden", ".spec.cancel")
    assert rule["message"] == "the job has ended and can no longer be cancelled"


def test_jobs_are_shared_by_default() -> None:
    assert (FIELDS[".spec.dedicated"]["type"], FIELDS[".spec.dedicated"]["default"]) == ("boolean", False)


def test_every_rule_has_a_message() -> None:
    for path, node in FIELDS.items():
        for rule in node.get("x-kubernetes-validations", []):
            assert rule.get("message"), path


def test_printer_columns() -> None:
    columns = crd()["spec"]["versions"][0]["additionalPrinterColumns"]
    assert [column["name"] for column in columns if not column.get("priority")] == [
        "Phase",
        "Progress",
        "Backend",
        "Shots",
        "Age",
    ]
    assert [column["name"] for column in columns if column.get("priority")] == ["Reason", "Results"]


def test_the_schema_has_every_field_of_the_status() -> None:
    """The API server rejects a server-side apply of a field that the schema lacks."""
    assert set(FIELDS[".status"]["properties"]) == {
        "observedGeneration",
        "phase",
        "progress",
        "job",
        "placement",
        "worker",
        "attempts",
        "pubsFrom",
        "seed",
        "conditions",
        "times",
        "results",
        "versions",
    }
    assert set(FIELDS[".status.results"]["properties"]) == {"uri", "key", "sha256", "bytes", "pubs"}
    assert set(FIELDS[".status.results.pubs[]"]["properties"]) == {"name", "outcome", "reason", "summary"}
    times = ["accepted", "ordered", "expected", "started", "imported", "simulated", "stored", "promoted"]
    assert list(FIELDS[".status.times"]["properties"]) == times


def test_every_refused_file_states_the_expected_message() -> None:
    folder = ROOT / "tests/cluster/refused"
    files = [*folder.glob("*.yaml"), *folder.glob("edits/*/after.yaml")]
    assert len(files) > 60
    for file in files:
        first = file.read_text().splitlines()[0]
        assert first.startswith("# expect: "), file
        assert len(first) > 20, file
    for after in folder.glob("edits/*/after.yaml"):
        assert after.with_name("before.yaml").is_file()
