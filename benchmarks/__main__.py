"""`python -m benchmarks`: measure the installed quickstart, show the figures, write docs/benchmarks.md anew."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from rich.console import Console

from benchmarks import measure, operator_usage, report
from benchmarks.figures import Cost, Figures, targets
from benchmarks.machine import look
from benchmarks.namespace import Namespace, namespace
from benchmarks.watching import Unsuccessful

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
console = Console(highlight=False, soft_wrap=True)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="of each kind, one at a time (default 10)")
    parser.add_argument("--burst", type=int, default=60, help="of each kind, all at once (default 60)")
    parser.add_argument("--jobs", type=int, default=200, help="QuantumJobs of the whole run at least (default 200)")
    parser.add_argument("--warm-up", type=int, default=1, help="of each kind, before anything counts (default 1)")
    parser.add_argument("--at-once", type=int, default=4, help="under way in the series (default 4)")
    parser.add_argument("--quiet", type=float, default=20, help="seconds to measure the idle operator (default 20)")
    parser.add_argument("--output", type=Path, default=PAGE, help="page to write (default docs/benchmarks.md)")
    return parser.parse_args()


def run(space: Namespace, chosen: argparse.Namespace) -> Figures:
    """All measurements. The operator's cost is that of the burst and the series."""
    say = console.print
    measure.one_by_one(space, chosen.warm_up, "warm-up", say)
    say(f"the operator at rest, {chosen.quiet:.0f} s")
    idle = measure.idle(chosen.quiet)
    singles, raw = measure.one_by_one(space, chosen.runs, "run", say)
    verified = measure.verified(space.quantumjobs, [f"run-{index}" for index in range(chosen.runs)])
    space.clean()
    say(f"{chosen.burst} raw Jobs at once")
    raw_burst = measure.burst(space.raw, chosen.burst)
    space.clean()
    say(f"{chosen.burst} QuantumJobs at once")
    burst, on_burst = measure.spent_on(lambda: measure.burst(space.quantumjobs, chosen.burst))
    _, on_cleaning = measure.spent_on(space.clean)
    count = max(0, chosen.jobs - chosen.warm_up - chosen.runs - chosen.burst)
    say(f"{count} QuantumJobs, {chosen.at_once} under way")
    _, on_series = measure.spent_on(lambda: measure.series(space.quantumjobs, count, chosen.at_once))
    at_end = operator_usage.read()
    cost = Cost(
        idle_ms_per_s=idle.cpu_ms / idle.seconds,
        burst_ms=on_burst.above(idle),
        series_ms=on_series.above(idle),
        cleaning_ms=on_cleaning.above(idle),
        burst_jobs=chosen.burst,
        series_jobs=count,
        cleaned_jobs=chosen.burst,
        resident_mib=at_end.resident_mib,
        peak_mib=at_end.peak_mib,
        total_jobs=chosen.warm_up + chosen.runs + chosen.burst + count,
    )
    return Figures(singles, raw, burst, raw_burst, cost, verified, space.others.count())


def stop(*_: object) -> None:
    """End as after an error. A second signal must not cut the cleaning short: `timeout` sends two."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(143)


def main() -> int:
    chosen = options()
    signal.signal(signal.SIGTERM, stop)
    try:
        with namespace() as space:
            figures = run(space, chosen)
            versions = space.quantumjobs.watching.ended("run-0").object["status"]["versions"]
            shown = report.tables(figures, look(versions))
            console.print("cleaning up")
    except (Unsuccessful, TimeoutError, RuntimeError) as error:
        console.print(f"aborted: {error}", style="bold red", markup=False)
        return 1
    chosen.output.write_text(report.markdown(shown))
    for table in shown:
        console.print(report.for_terminal(table))
    missed = sum(not target.met for target in targets(figures))
    console.print(f"targets missed: {missed}" if missed else "all targets met", style="bold red" if missed else "green")
    return 0


if __name__ == "__main__":
    sys.exit(main())
