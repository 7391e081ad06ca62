"""The health rules of the GitOps page, applied to the statuses that the operator writes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from lupa import lua51

from quantumjob_contract.reasons import Reason
from quantumjob_operator import clock
from quantumjob_operator.model import status
from quantumjob_operator.model.placement import SHARED
from quantumjob_operator.model.worker_state import ABSENT
from quantumjob_operator.results.promotion import promote
from support.jobs import TIME, owner, result, write_job
from support.kube import program_of, quantumjob
from support.memory import MemoryStore

JSON = dict[str, Any]
PAGE = (Path(__file__).parents[3] / "docs" / "quickstart-gitops.md").read_text()
NOW = clock.parse(TIME)


def script() -> str:
    """Returns the page's health script for Argo CD."""
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(data:.*?)```", PAGE, re.DOTALL)]
    (found,) = blocks[0]["data"].values()
    return str(found)


def argo_cd(resource: JSON) -> str:
    """Computes the health by the script of the page."""
    lua = lua51.LuaRuntime()
    health = lua.eval(f"function(obj) {script()} end")
    found: str = health(lua.table_from(resource, recursive=True))["status"]
    return found


def kstatus(resource: JSON) -> str:
    """Computes the health as cli-utils does for a kind that it does not know."""
    found = resource.get("status", {})
    if found.get("observedGeneration") != resource["metadata"]["generation"]:
        return "InProgress"
    if status.is_true(found, "Reconciling"):
        return "InProgress"
    if status.is_true(found, "Stalled"):
        return "Failed"
    return "Current" if status.is_true(found, "Ready") else "InProgress"


async def finished(accepted: JSON, *, failed: bool) -> JSON:
    """Returns the status after promotion of one failed pub and another."""
    store, of = MemoryStore(), owner()
    write_job(store.pending, of, [[result(0, failed=True), result(1, failed=failed)]])
    return status.finished(accepted, await promote(store.opened, of, TIME), NOW)


@pytest.mark.parametrize(
    ("how", "flux", "argo"),
    [
        ("unseen", "InProgress", "Progressing"),
        ("edited", "InProgress", "Progressing"),
        ("accepted", "InProgress", "Progressing"),
        ("complete", "Current", "Healthy"),
        ("failed", "Failed", "Degraded"),
        ("refused", "Failed", "Degraded"),
        ("lost", "Failed", "Degraded"),
    ],
)
async def test_health(how: str, flux: str, argo: str) -> None:
    fresh = quantumjob()
    accepted = fresh | {"status": status.accepted(fresh, program_of(fresh), SHARED, ABSENT, NOW)}
    found = {
        "unseen": fresh,
        "edited": accepted | {"metadata": fresh["metadata"] | {"generation": 2}},
        "accepted": accepted,
        "complete": fresh | {"status": await finished(accepted, failed=False)},
        "failed": fresh | {"status": await finished(accepted, failed=True)},
        "refused": fresh | {"status": status.refused(fresh, "It cannot run.", NOW)},
        "lost": fresh | {"status": status.lost(accepted, Reason.RESULTS_CORRUPT, "It is gone.", NOW)},
    }[how]
    assert (kstatus(found), argo_cd(found)) == (flux, argo)


def test_the_page_names_every_health() -> None:
    for word in ("InProgress", "Current", "Failed", "Progressing", "Healthy", "Degraded"):
        assert word in PAGE
