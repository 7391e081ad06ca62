from __future__ import annotations

from datetime import timedelta

from quantumjob_contract.keys import Owner
from quantumjob_contract.store import Entry
from quantumjob_operator import clock
from quantumjob_operator.results.garbage_collection import orphans

NOW = clock.now()
OLD, NEW = NOW - timedelta(hours=2), NOW - timedelta(minutes=2)
ENTRIES = [
    Entry("team/done/program.json", OLD),
    Entry("team/done/0/last.json", NEW),
    Entry("team/running/program.json", OLD),
    Entry("other/done/program.json", OLD),
    Entry("a-strange-file", OLD),
]


def test_only_old_objects_of_jobs_that_need_them_no_more() -> None:
    needed = {Owner("team", "running")}
    assert orphans(ENTRIES, needed, set(), NOW, 3600) == ["team/done/program.json", "other/done/program.json"]


def test_other_namespaces_are_left_alone() -> None:
    assert orphans(ENTRIES, set(), {"team"}, NOW, 3600) == ["team/done/program.json", "team/running/program.json"]
