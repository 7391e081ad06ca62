"""Compares the CRD with the contract and with the operator's status."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from rendered import crd, fields, schema

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
    values, observables = (
        FIELDS[f".spec.program.pubs[].{name}"]["description"] for name in ("parameterValues", "observables")
    )
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


def test_placements_equal_the_operator() -> None:
    assert FIELDS[".status.placement"]["enum"] == [SHARED, DEDICATED]


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
