"""Builds the manifest of a job from its collected results. Pure."""

from __future__ import annotations

from collections import Counter
from typing import Literal, NamedTuple

import msgspec

from quantumjob_contract import names
from quantumjob_contract.limits import MAX_PUBS
from quantumjob_contract.reasons import PubReason, Reason
from quantumjob_contract.schema.results import Manifest, Provenance, PubSummary
from quantumjob_operator.results.collect import CollectedResults
from quantumjob_operator.results.summary import SUMMARY_CHARS

NAMED_FAILURES = 5
SHORT_CHARS = 96
"""Summaries are shortened to this where a job has very many."""

Outcome = Literal["Succeeded", "PartlyFailed", "Failed"]


class Failure(NamedTuple):
    """Why a job failed as a whole: its reason and message."""

    reason: str
    message: str


def shortened(summary: str) -> str:
    return summary if len(summary) <= SHORT_CHARS else f"{summary[: SHORT_CHARS - 1]}…"


def build(collected: CollectedResults, failure: Failure | None, times: dict[str, str]) -> Manifest:
    """Builds the manifest, with every pub's result or error. `failure` explains missing pubs."""
    program = collected.program
    pubs = [collected.pubs.get(index) or _not_run(program.pub_name(index), failure) for index in range(program.total)]
    if len(pubs) > MAX_PUBS:
        pubs = [msgspec.structs.replace(pub, summary=shortened(pub.summary)) for pub in pubs]
    if len(collected.pubs) == len(pubs):
        failure = None  # all pubs were done before it
    succeeded = sum(pub.outcome == "Succeeded" for pub in pubs)
    outcome, reason, message = conclude(pubs, failure)
    return Manifest(
        api_version=names.API_VERSION,
        uid=program.uid,
        namespace=program.namespace,
        name=program.name,
        labels=program.labels,
        outcome=outcome,
        reason=reason,
        message=message,
        total=len(pubs),
        succeeded=succeeded,
        failed=len(pubs) - succeeded,
        pubs=pubs,
        times=times | _worker_times(collected.made),
        versions=collected.made.versions if collected.made else {},
        program=collected.program_object,
        segments=collected.segments,
        arrays=collected.arrays,
        inline={key: msgspec.Raw(data) for key, data in (collected.inline or {}).items()},
    )


def _not_run(name: str, failure: Failure | None) -> PubSummary:
    """Returns the summary of a pub without a result."""
    why = failure.message if failure else "The worker ended without its result."
    text = f"The job ended before this pub ran. {why}"
    return PubSummary(name, "Failed", text[:SUMMARY_CHARS], PubReason.NOT_RUN)


def conclude(summaries: list[PubSummary], failure: Failure | None) -> tuple[Outcome, str, str]:
    """Returns outcome, reason and message of the job."""
    total = len(summaries)
    failed = [summary for summary in summaries if summary.outcome == "Failed"]
    score = f"{total - len(failed)}/{total} pubs succeeded."
    if failure is not None:
        return "Failed", failure.reason, f"{score} {failure.message}"
    if not failed:
        return "Succeeded", Reason.ALL_PUBS_SUCCEEDED, score
    named = ", ".join(f"{pub.name} ({pub.reason})" for pub in failed[:NAMED_FAILURES])
    rest = f" and {len(failed) - NAMED_FAILURES} more" if len(failed) > NAMED_FAILURES else ""
    if len(failed) < total:
        return "PartlyFailed", Reason.SOME_PUBS_FAILED, f"{score} Failed: {named}{rest}."
    reasons = Counter(pub.reason for pub in failed)
    if len(reasons) == 1:
        return "Failed", str(failed[0].reason), f"{score} {named}{rest}: {failed[0].summary}"
    return "Failed", Reason.ALL_PUBS_FAILED, f"{score} Failed: {named}{rest}."


def _worker_times(made: Provenance | None) -> dict[str, str]:
    """Returns the worker's timestamps, of the newest attempt."""
    return {"started": made.started, "imported": made.imported, "simulated": made.simulated} if made else {}
