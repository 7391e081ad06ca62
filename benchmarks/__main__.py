"""`python -m benchmarks`: measures the installed quickstart, prints the figures, writes docs/benchmarks.md."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks.figures.run import targets
from benchmarks.machine import machine_info
from benchmarks.measure.bench import Bench, idle_usage
from benchmarks.measure.small import finished_status
from benchmarks.namespaces import open_cluster
from benchmarks.report.layout import for_terminal
from benchmarks.report.page import page, shown
from benchmarks.run import PARTS, measure
from benchmarks.watcher import JobUnsuccessful

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
NUMBERS: Final[dict[str, tuple[float, str]]] = {
    "runs": (10, "of each kind, one at a time"),
    "warm-up": (1, "of each kind, before the measurement"),
    "many": (60, "raw Jobs, and dedicated QuantumJobs, all at once"),
    "standing": (50, "shared, one after another, worker running"),
    "series": (200, "shared, in a series"),
    "at-once": (4, "at a time in the series"),
    "burst": (1000, "shared, all at once"),
    "small": (200, "shared, all at once, together with a long one"),
    "long": (30.0, "seconds of the long one alone"),
    "crowd": (500, "shared, in one namespace"),
    "few": (10, "shared, in each of two other namespaces at the same time"),
    "pubs": (10000, "Bell pubs in one job"),
    "points": (10000, "points in one sweep"),
    "estimates": (1000, "points of an Estimator, of a hundred observables each"),
    "submits": (200, "by REST, and as many creates, one at a time"),
    "submits-at-once": (1000, "by REST, and as many creates, all at once"),
    "submitters": (8, "requests at a time then"),
    "finished": (10000, "finished QuantumJobs when the operator is restarted"),
    "waiting": (1000, "waiting QuantumJobs then"),
    "quiet": (20.0, "seconds to measure the idle operator"),
}
console = Console(highlight=False, soft_wrap=True)


def parts(text: str) -> set[str]:
    chosen = set(text.split(","))
    if unknown := chosen.difference(PARTS):
        raise argparse.ArgumentTypeError(f"no part is called {', '.join(sorted(unknown))}")
    return chosen


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", type=parts, help=f"only these parts (a,b,...), no page: {', '.join(PARTS)}")
    parser.add_argument("--output", type=Path, help="page to write (default, for all parts, docs/benchmarks.md)")
    for name, (value, text) in NUMBERS.items():
        parser.add_argument(f"--{name}", type=type(value), default=value, help=f"{text} (default %(default)s)")
    chosen = parser.parse_args(arguments)
    if chosen.only is None:
        chosen.only, chosen.output = set(PARTS), chosen.output or PAGE
    return chosen


def stop(*_: object) -> None:
    """Exits as after an error. Ignores a second signal during the cleanup: `timeout` sends two."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(143)


def main() -> int:
    chosen = options()
    signal.signal(signal.SIGTERM, stop)
    try:
        with open_cluster() as found:
            console.print("the first job")
            status = finished_status(found)
            console.print(f"the idle operator, {chosen.quiet:.0f} s")
            bench = Bench(found, console.print, status, idle_usage(chosen.quiet))
            figures = measure(bench, chosen)
            tables = shown(figures, machine_info(status["versions"]))
            console.print("cleaning up")
    except (JobUnsuccessful, TimeoutError, RuntimeError) as error:
        console.print(f"aborted: {error}", style="bold red", markup=False)
        return 1
    if chosen.output:
        chosen.output.write_text(page(tables))
    for table in tables:
        console.print(for_terminal(table))
    missed = sum(not target.met for target in targets(figures))
    console.print(f"targets missed: {missed}" if missed else "all targets met", style="bold red" if missed else "green")
    return 0


if __name__ == "__main__":
    sys.exit(main())
