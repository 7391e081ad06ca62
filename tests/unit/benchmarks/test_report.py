"""Tests of the report on the page and at the terminal."""

import io
from typing import Any

from bench_fakes import backlog, burst, figures, machine
from benchmarks.figures.basic import Baseline
from benchmarks.figures.run import OperatorFigures
from benchmarks.figures.together import NOT_REACHED
from benchmarks.report.layout import for_terminal
from benchmarks.report.page import page, shown
from rich.console import Console


def written(**changes: Any) -> str:
    return page(shown(figures(**changes), machine()))


def test_each_target_says_whether_it_is_met() -> None:
    found = written()
    assert "| dedicated, create to Complete / raw Job | 0.50 | at most 0.6 | met |" in found
    assert "| shared, no worker running, create to Complete / raw Job | 0.400 | at most 0.45 | met |" in found
    assert "| rate of 60 dedicated at once / raw Jobs | 0.80 | at least 0.9 | **missed** |" in found
    assert "| 50 one after another, worker running: 99th percentile / raw Job | 0.067 | at most 0.1 | met |" in found
    assert "| of these 4, verified in the completed bucket | 4 jobs | at least 4 jobs | met |" in found
    assert "complete when 2 with 2 each were | 2 jobs | below 50 jobs | met |" in found


def test_the_operators_cpu_in_the_burst_is_a_target() -> None:
    assert "| operator's CPU a job, 4 at once | 3.5 ms | at most 4 ms | met |" in written()
    missed = written(burst=burst(ms=8100.0))
    assert "| operator's CPU a job, 4 at once | 8.1 ms | at most 4 ms | **missed** |" in missed


def test_a_missed_cpu_target_is_explained() -> None:
    assert "More than 4 ms" not in written()
    reason = written(burst=burst(ms=8100.0))
    assert "More than 4 ms in the burst: for each job the operator makes 2.2 writes to the API server" in reason


def test_ratios_stand_beside_the_absolute_figures() -> None:
    found = written()
    assert "| dedicated | 2 | 1.500 | 1.500 | 1.500 | 1.500 | 0.500 |" in found
    assert "| shared, worker running | 50 | 0.100 | 0.200 | 0.100 | 0.200 | 0.033 |" in found
    assert "| Qiskit is imported | 300 | 300 | 300 | 1300 | 0.43 |" in found
    assert "| dedicated QuantumJobs | 60 | 50.0 | 1.20 | 0.80 |" in found
    assert "| long one last | 5.00 | 6.00 | 2.50 | 50% | 36.0 | 1.20 |" in found


def test_writes_and_the_clients_cost_are_for_each_job() -> None:
    found = written()
    assert "| quantumjobs/status APPLY | 0.00 | 1.50 |" in found
    assert "| CPU of the benchmark's process, ms | 2.00 | 1.25 |" in found


def test_what_is_rare_is_no_row() -> None:
    rare = burst()
    rare.writes["pods", "POST"] = 0
    assert "pods POST" not in written(burst=rare)


def test_an_operator_without_a_steady_state() -> None:
    assert "| its pod deleted, to steady state | 9.0 s |" in written()
    assert "| its pod deleted, to steady state | timed out |" in written(backlog=backlog(ready=4.0, steady=NOT_REACHED))


def test_the_page_says_what_it_was_measured_on_and_how_to_repeat_it() -> None:
    found = written()
    assert "| machine | 1 node, 2 cores, 24 GiB, Linux 6.1.0 |" in found
    assert "| qiskit-aer | 0.18.2 |" in found
    assert "make bench" in found


def test_jobs_of_others_and_a_restart_are_reported() -> None:
    found = written()
    assert "of other namespaces" not in found
    assert "restarted during" not in found
    found = written(operator=OperatorFigures(1.0, 85.0, 90.0, jobs=9, restarted=True, others=3))
    assert "| QuantumJobs of other namespaces during the run: its figures are too high | 3 |" in found
    assert "| operator's memory after 9 jobs (restarted during the run) | 85.0 MiB |" in found


def test_parts_that_were_not_asked_for_have_no_tables() -> None:
    names = ("alone", "many", "standing", "series", "burst", "mixed", "crowd", "rest", "backlog")
    found = shown(figures(baseline=Baseline([3.0]), **dict.fromkeys(names)), machine())
    assert [table.title for table in found] == ["Targets", "One at a time", "The operator", "Measured on"]
    for name in names:
        assert page(shown(figures(**{name: None}), machine()))


def test_every_row_is_as_wide_as_its_head() -> None:
    for table in shown(figures(), machine()):
        assert {len(row) for row in table.rows} == {len(table.head)}


def test_the_terminal_shows_the_same_without_markup() -> None:
    out = io.StringIO()
    for table in shown(figures(), machine()):
        Console(file=out, width=160).print(for_terminal(table))
    assert "missed" in out.getvalue()
    assert "*" not in out.getvalue()
    assert "`" not in out.getvalue()


def test_the_rest_service_is_measured_against_the_api_server() -> None:
    found = written()
    assert "| submit by REST / the API server's own create, median | 1.25 | at most 1.5 | met |" in found
    assert "| submits a second by REST, 8 at once | 250.0 a second | at least 200 a second | met |" in found
    assert "| submit by REST with an Idempotency-Key | 4 | 7.0 | 7.0 | 1.75 |" in found
    assert "| result by REST after Complete, median | 20.0 ms | at most 100 ms | met |" in found
