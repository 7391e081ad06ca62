"""Views of jobs, and their ETags."""

from __future__ import annotations

import pytest

from quantumjob_api.model import views
from support.kube import quantumjob


def test_a_job_view_has_no_spec() -> None:
    shown = views.job(quantumjob())
    assert "spec" not in shown
    assert (shown["phase"], shown["finished"], shown["cancel"], shown["version"]) == ("Pending", False, False, "10")
    done = quantumjob(
        status={
            "phase": "Succeeded",
            "progress": "1/1",
            "conditions": [
                {"type": "Reconciling", "status": "False", "reason": "AllPubsSucceeded", "message": ""},
                {"type": "Complete", "status": "True", "reason": "AllPubsSucceeded", "message": "1/1 pubs succeeded."},
            ],
        }
    )
    shown = views.job(done)
    assert (shown["finished"], shown["reason"], shown["message"]) == (True, "AllPubsSucceeded", "1/1 pubs succeeded.")


@pytest.mark.parametrize(
    ("header", "named"),
    [('"10"', True), ('W/"10"', True), ('"9", "10"', True), ("*", True), ('"1"', False), ("", False)],
)
def test_if_none_match(header: str, named: bool) -> None:
    assert views.matches_etag(views.etag(quantumjob()), header) is named
