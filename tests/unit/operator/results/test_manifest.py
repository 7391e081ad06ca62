"""What a job's outcome is called."""

from __future__ import annotations

import pytest

from quantumjob_contract.schema.results import Expectations, PubMetadata, PubResult, PubSummary, Register, to_json
from quantumjob_contract.schema.saved_arrays import SavedArray
from quantumjob_operator import clock
from quantumjob_operator.model import status
from quantumjob_operator.results.manifest import Failure, conclude
from quantumjob_operator.results.summary import SUMMARY_CHARS, summarize

GOOD = PubSummary("a", "Succeeded", "c 0:1")
BAD = PubSummary("b", "Failed", "Mend it.", "SyntaxError")
LEFT = PubSummary("d", "Failed", "No turn.", "NotRun")
WORSE = PubSummary("c", "Failed", "It died.", "Crashed")


def test_all_succeeded() -> None:
    assert conclude([GOOD, GOOD], None) == ("Succeeded", "AllPubsSucceeded", "2/2 pubs succeeded.")


def test_some_failed() -> None:
    outcome, reason, message = conclude([GOOD] * 10 + [BAD, WORSE], None)
    assert (outcome, reason) == ("PartlyFailed", "SomePubsFailed")
    assert message == "10/12 pubs succeeded. Failed: b (SyntaxError), c (Crashed)."


def test_all_failed_for_one_reason_is_that_reason() -> None:
    outcome, reason, message = conclude([BAD], None)
    assert (outcome, reason) == ("Failed", "SyntaxError")
    assert "Mend it." in message


def test_all_failed_for_several_reasons() -> None:
    assert conclude([BAD, WORSE], None)[:2] == ("Failed", "AllPubsFailed")


def test_a_failed_worker_is_the_reason() -> None:
    failure = Failure("OutOfMemory", "Raise it.")
    assert conclude([GOOD, LEFT], failure) == ("Failed", "OutOfMemory", "1/2 pubs succeeded. Raise it.")


def test_many_failures_are_counted_not_listed() -> None:
    assert conclude([GOOD] + [BAD] * 50, None)[2].endswith("and 45 more.")


def test_a_summary_shows_the_most_frequent_outcomes() -> None:
    counts = {f"{number:03b}": 10 * number + 1 for number in range(8)}
    register = Register(3, "", counts)
    made = summarize(PubResult(0, "a", PubMetadata(seed=1, shots=1), data={"c": register}))
    assert made.summary == "c 111:71 110:61 101:51 100:41 and 4 more"
    many = {f"register{number}": register for number in range(50)}
    assert len(summarize(PubResult(0, "a", PubMetadata(seed=1, shots=1), data=many)).summary) == SUMMARY_CHARS


def test_a_summary_of_a_sweep_and_of_expectation_values() -> None:
    register = Register(1, "", {"0": 10, "1": 30}, shape=[2, 2])
    made = summarize(PubResult(0, "a", PubMetadata(seed=1, shots=10), data={"c": register}))
    assert made.summary == "c 4 points 1:30 0:10"
    values = Expectations([10], [-1.857275, 0.5, *[0.0] * 8], [0.0, 0.01, *[0.0] * 8])
    made = summarize(PubResult(0, "a", PubMetadata(seed=1), expectations=values))
    assert made.summary == "-1.85728 0.5±0.01 0 0 0 0 0 0 and 2 more"


def test_saved_arrays_are_named_in_the_summary() -> None:
    arrays = {"statevector": SavedArray([3, 4], "<c16", "statevector")}
    alone = PubResult(0, "p", PubMetadata(7), data={}, arrays=arrays)
    assert summarize(alone).summary == "statevector [3, 4]"
    sampled = PubResult(0, "p", PubMetadata(7), data={"c": Register(1, "", {"0": 10})}, arrays=arrays)
    assert summarize(sampled).summary == "c 0:10; statevector [3, 4]"


@pytest.mark.parametrize(("spec_bytes", "least", "most"), [(1000, 500, 500), (1_150_000, 50, 499), (1_400_000, 0, 0)])
def test_the_status_has_as_many_summaries_as_the_resource_has_room_for(spec_bytes: int, least: int, most: int) -> None:
    pubs = [PubSummary(f"p{n}", "Succeeded", "x" * 256) for n in range(500)]
    found = status._fitting(pubs, {"program": "y" * spec_bytes})
    assert least <= len(found) <= most
    assert found == to_json(pubs[: len(found)])


@pytest.mark.parametrize(
    "text",
    [
        "20240101T00Z",
        "2024-W01-1T00:00:00Z",
        "2024-01-01",
        "2024-01-01T00:00:00." + "1" * 200 + "Z",
        "2024-01-01T00:00:00",
    ],
)
def test_times_are_as_the_schema_has_them(text: str) -> None:
    """Python takes more than the API server does, and a status that it refuses is never written."""
    with pytest.raises(ValueError, match="RFC 3339"):
        clock.parse(text)
    assert clock.parse("2024-01-01T00:00:00.123456Z") < clock.parse("2024-01-01T00:00:01+00:00")
