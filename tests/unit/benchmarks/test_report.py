"""The report: what is on the page and at the terminal."""

import io

from bench_fakes import figures, machine
from benchmarks import report
from rich.console import Console


def page(**changes: float) -> str:
    return report.markdown(report.tables(figures(**changes), machine()))  # type: ignore[arg-type]


def test_each_target_says_whether_it_is_met() -> None:
    assert "| create to Complete, QuantumJob / raw Job | 0.50 | at most 0.6 | met |" in page()
    assert "| rate of 60 at once, QuantumJobs / raw Jobs | 0.80 | at least 0.9 | **missed** |" in page()
    assert "| operator's CPU a job | 9.0 ms | at most 10 ms | met |" in page()
    assert "| operator's CPU a job | 15.2 ms | at most 10 ms | **missed** |" in page(burst_ms=1710.0)


def test_ratios_stand_beside_the_absolute_figures() -> None:
    assert "| QuantumJob, to `Complete=True` | 1.50 | 1.50 | 1.50 | 0.50 |" in page()
    assert "| Qiskit is imported | 300 | 300 | 300 | 1300 | 0.43 |" in page()
    assert "| QuantumJobs | 50.0 | 1.20 | 0.80 |" in page()


def test_the_page_says_what_it_was_measured_on_and_how_to_repeat_it() -> None:
    assert "| machine | 1 node, 2 cores, 24 GiB, Linux 6.1.0 |" in page()
    assert "| qiskit-aer | 0.18.2 |" in page()
    assert "make bench" in page()


def test_jobs_of_others_are_told() -> None:
    assert "of others" not in page()
    assert "| QuantumJobs of others meanwhile: its figures are too high | 3 |" in page(others=3)


def test_every_row_is_as_wide_as_its_head() -> None:
    for table in report.tables(figures(), machine()):
        assert {len(row) for row in table.rows} == {len(table.head)}


def test_the_terminal_shows_the_same_without_markup() -> None:
    out = io.StringIO()
    for table in report.tables(figures(), machine()):
        Console(file=out, width=160).print(report.for_terminal(table))
    assert "missed" in out.getvalue()
    assert "*" not in out.getvalue()
    assert "`" not in out.getvalue()
