"""Compares the CRD with the contract, and checks that its schema is bounded and documented."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from rendered import ROOT, crd, fields, schema

from quantumjob_contract import limits, names
from quantumjob_contract.pubs.qpy_file import WITH_TABLE
from quantumjob_contract.reasons import PubReason, Reason
from quantumjob_contract.schema.backend import Backend, Depolarizing, Method, Noise, Readout, Relaxation
from quantumjob_contract.schema.object_ref import ObjectRef
from quantumjob_contract.schema.program import Format, ListFormat, Primitive
from quantumjob_contract.schema.saved_arrays import KINDS, Save, nbytes
from quantumjob_operator.model import status
from quantumjob_operator.model.placement import DEDICATED, SHARED

FIELDS = dict(fields(schema()))
ARRAYS = ("parameterValues", "observables")


def inside_array(path: str) -> bool:
    """True for fields without a single type: a number, a string, or nested lists of these."""
    return path.startswith((".spec.program.pubs[].parameterValues{", ".spec.program.pubs[].observables"))


def test_names_equal_the_contract() -> None:
    spec = crd()["spec"]
    version = spec["versions"][0]
    assert (spec["group"], version["name"], spec["names"]["kind"], spec["names"]["plural"]) == (
        names.GROUP,
        names.VERSION,
        names.KIND,
        names.PLURAL,
    )
    assert spec["names"]["shortNames"] == ["qj", "qjob"]
    assert version["subresources"] == {"status": {}}


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


@pytest.mark.parametrize("path", [".spec.program.pubs[].parameterValues{}", ".spec.program.pubs[].observables"])
def test_nesting_of_arrays_equals_the_contract(path: str) -> None:
    depth = 0
    node = FIELDS[path]
    while "items" in node:
        node, depth = node["items"], depth + 1
    assert depth == limits.MAX_DIMENSIONS
    assert f"{depth} dimensions" in FIELDS[path.removesuffix("{}")]["description"]


@pytest.mark.parametrize(
    ("path", "rule", "limit"),
    [
        (".spec.program.pubs", "maxItems", limits.MAX_PUBS),
        (".spec.program.shots", "maximum", limits.MAX_SHOTS),
        (".spec.program.shots", "default", limits.DEFAULT_SHOTS),
        (".spec.program.pubs[].shots", "maximum", limits.MAX_SHOTS),
        (".spec.program.seed", "maximum", limits.MAX_SEED),
        (".spec.program.pubs[].precision", "minimum", limits.DEFAULT_PRECISION),
        (".spec.program.pubs[].precision", "maximum", limits.MAX_PRECISION),
        (".spec.program.pubs[].name", "maxLength", limits.MAX_NAME_CHARS),
        (".spec.program.pubs[].circuit.inline", "maxLength", limits.MAX_INLINE_CHARS),
        (".spec.parallelism", "maximum", limits.MAX_PARALLELISM),
        (".status.seed", "maximum", limits.MAX_SEED),
        (".status.results.pubs", "maxItems", limits.MAX_PUBS),
    ],
)
def test_limits_equal_the_contract(path: str, rule: str, limit: int) -> None:
    assert FIELDS[path][rule] == limit


@pytest.mark.parametrize("path", [path for path in FIELDS if path.endswith("Nanoseconds")])
def test_durations_equal_the_contract(path: str) -> None:
    assert FIELDS[path]["maximum"] == limits.MAX_NANOSECONDS


def test_the_backend_equals_the_contract() -> None:
    """The schema has exactly the fields of the structs that decode it."""
    assert set(FIELDS[".spec.backend.method"]["enum"]) == set(get_args(Method))
    for path, struct in (
        ("", Backend),
        (".noise", Noise),
        (".noise.depolarizing", Depolarizing),
        (".noise.readout", Readout),
        (".noise.relaxation", Relaxation),
        (".noise.object", ObjectRef),
    ):
        fields = set(struct.__struct_encode_fields__)
        assert set(FIELDS[f".spec.backend{path}"]["properties"]) == fields


def test_described_limits_of_arrays_equal_the_contract() -> None:
    values, observables = (FIELDS[f".spec.program.pubs[].{name}"]["description"] for name in ARRAYS)
    assert str(limits.MAX_PARAMETER_VALUES) in values
    assert str(limits.MAX_POINTS) in values
    assert str(limits.MAX_TERMS) in observables


def test_described_limits_of_listed_pubs_equal_the_contract() -> None:
    listed = FIELDS[".spec.program.pubsFrom"]
    assert str(limits.MAX_LISTED_PUBS) in listed["description"]
    assert f"{limits.MAX_LISTED_BYTES // limits.MIB} MiB" in listed["properties"]["object"]["description"]
    assert set(listed["properties"]["format"]["enum"]) == set(get_args(ListFormat))
    assert f"version {WITH_TABLE}" in listed["description"]


def test_saved_arrays_equal_the_contract() -> None:
    node = FIELDS[".spec.program.pubs[].save"]
    assert set(FIELDS[".spec.program.pubs[].save[]"]["enum"]) == set(get_args(Save)) == set(KINDS)
    assert node["maxItems"] == len(KINDS)
    assert f"{limits.MAX_SAVED_BYTES >> 20} MiB" in node["description"].replace("\n", " ")
    assert nbytes(["Statevector"], 1, 22) == nbytes(["DensityMatrix"], 1, 11) == limits.MAX_SAVED_BYTES
    assert nbytes(["Probabilities"], 1, 23) == limits.MAX_SAVED_BYTES


def test_primitives_equal_the_contract() -> None:
    assert set(FIELDS[".spec.program.primitive"]["enum"]) == set(get_args(Primitive))


def test_formats_equal_the_contract() -> None:
    assert set(FIELDS[".spec.program.pubs[].circuit.format"]["enum"]) == set(get_args(Format))


@pytest.mark.parametrize("reason", [*Reason, *PubReason])
def test_every_reason_matches_the_schema(reason: str) -> None:
    condition = FIELDS[".status.conditions[].reason"]
    assert re.fullmatch(condition["pattern"], reason)
    assert len(reason) <= min(condition["maxLength"], FIELDS[".status.results.pubs[].reason"]["maxLength"])


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


def test_placements_equal_the_operator() -> None:
    assert FIELDS[".status.placement"]["enum"] == [SHARED, DEDICATED]


def test_jobs_are_shared_by_default() -> None:
    assert (FIELDS[".spec.dedicated"]["type"], FIELDS[".spec.dedicated"]["default"]) == ("boolean", False)


def test_the_watch_can_select_unfinished_jobs() -> None:
    """The API server rejects field selectors on fields that are not declared selectable."""
    (version,) = crd()["spec"]["versions"]
    assert version["selectableFields"] == [{"jsonPath": ".status.phase"}]
    parts = [part.partition("!=") for part in status.UNFINISHED.split(",")]
    assert {field for field, _, _ in parts} == {"status.phase"}
    phases = FIELDS[".status.phase"]["enum"]
    assert {phase for _, _, phase in parts} == set(phases) - {"Pending", "Running", "Storing"}


@pytest.mark.parametrize("reason", [*Reason, *PubReason])
@pytest.mark.parametrize("kind", ["Reconciling", "Complete", "Failed"])
def test_phases_match_the_schema_and_are_terminal_when_the_job_is(reason: str, kind: str) -> None:
    found = {"conditions": [{"type": kind, "status": "True", "reason": reason}]}
    assert status.phase(found) in FIELDS[".status.phase"]["enum"]
    assert (status.phase(found) in status.TERMINAL_PHASES) == status.is_terminal(found)


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
