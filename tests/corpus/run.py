"""`make corpus`: compares every circuit of MQT Bench, 2 to 12 qubits, in three formats, with its exact distribution.

Each family and format is a job: its circuits are objects of a real S3 server, a worker runs them, and the results are
read from the completed bucket. Writes docs/corpus.md. Fails where a distribution differs or a circuit is refused.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/unit/worker"))

from branches import distribution  # noqa: E402
from circuits import FORMATS, circuits, exported  # noqa: E402
from exact import ALARM, joint, surprise  # noqa: E402
from service import Service, service  # noqa: E402

from quantumjob_contract.keys import Owner  # noqa: E402
from quantumjob_contract.schema.program import Format  # noqa: E402
from quantumjob_contract.schema.results import PubResult  # noqa: E402

SHOTS: Final = 1000

HEAD: Final = f"""\
# Corpus: MQT Bench

Written by `make corpus`: all circuits of [MQT Bench](https://pypi.org/project/mqt.bench/) at its target-independent
level with 2 to 12 qubits, {SHOTS} shots each. The circuits are objects in a bucket of a SeaweedFS server.
`python -m quantumjob_worker` runs them by orders with presigned URLs and writes segments. After promotion, the
contract's reader returns the results, which a chi-square test compares with exact distributions (probability of a false
alarm {ALARM:g} each). Circuits that Qiskit's exporter cannot write in a format are not exported.
"""


@dataclass
class Family:
    """The circuits of one name, by width, and their outcomes."""

    exact: dict[str, dict[str, float]] = field(default_factory=dict)
    widths: set[int] = field(default_factory=set)
    jobs: dict[Format, Owner] = field(default_factory=dict)
    outcomes: dict[Format, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    engines: Counter[str] = field(default_factory=Counter)


def submitted(at: Service, only: list[str]) -> dict[str, Family]:
    """Computes the distributions, uploads the circuits and queues their jobs."""
    families: dict[str, Family] = defaultdict(Family)
    texts: dict[tuple[str, Format], dict[str, bytes]] = defaultdict(dict)
    for name, circuit in circuits(only):
        family = families[name]
        pub = f"{name}-{len(family.exact)}"
        family.widths.add(circuit.num_qubits)
        family.exact[pub] = distribution(circuit)
        sys.stdout.write(f"{name} {circuit.num_qubits}\n")
        sys.stdout.flush()
        for format_ in FORMATS:
            data = exported(circuit, format_)
            if data is None:
                family.outcomes[format_]["not exported"] += 1
            else:
                texts[name, format_][pub] = data
    for (name, format_), pubs in texts.items():
        families[name].jobs[format_] = at.submit(format_, pubs, SHOTS)
    return families


def judge(family: Family, format_: Format, results: list[PubResult]) -> None:
    """Compares results with the exact distributions, and counts the outcomes."""
    for result in results:
        if result.data is None:
            outcome = f"refused: {result.error and result.error.reason}"
        else:
            agrees = surprise(joint(result.data), family.exact[result.name]) > ALARM
            outcome = "agrees" if agrees else "differs"
            family.engines[f"{result.metadata.engine.split()[0]} {result.metadata.method}"] += 1
        family.outcomes[format_][outcome] += 1
        if outcome != "agrees":
            sys.stdout.write(f"{result.name} {format_}: {outcome}\n")


def page(families: dict[str, Family]) -> str:
    """Renders docs/corpus.md."""
    total: Counter[str] = Counter()
    lines = []
    for name, family in families.items():
        cells = []
        for format_ in FORMATS:
            total.update(family.outcomes[format_])
            cells.append(", ".join(f"{count} {outcome}" for outcome, count in family.outcomes[format_].items()))
        ran = ", ".join(f"{how} ({count})" for how, count in family.engines.most_common())
        lines.append(f"| {name} | {', '.join(map(str, sorted(family.widths)))} | {' | '.join(cells)} | {ran} |")
    summary = ", ".join(f"{count} {outcome}" for outcome, count in total.most_common())
    return "\n".join([
        HEAD,
        f"In all: {summary}.",
        "",
        "| circuit | qubits | OpenQASM 2 | OpenQASM 3 | QPY | ran on |",
        "|---|---|---|---|---|---|",
        *lines,
        "",
    ])  # fmt: skip


def main(only: list[str]) -> int:
    """Runs all families and writes the page; or runs those named, and writes none."""
    warnings.simplefilter("ignore")
    began = time.monotonic()
    with service() as at:
        families = submitted(at, only)
        sys.stdout.write(f"computed and uploaded: {time.monotonic() - began:.0f} s\n")
        sys.stdout.flush()
        at.work()
        sys.stdout.write(f"run: {time.monotonic() - began:.0f} s\n")
        for family in families.values():
            for format_, owner in family.jobs.items():
                judge(family, format_, at.results(owner))
    text = page(families)
    if not only:
        (ROOT / "docs/corpus.md").write_text(text)
    sys.stdout.write(f"{text}\n{time.monotonic() - began:.0f} s\n")
    found = {outcome for family in families.values() for counted in family.outcomes.values() for outcome in counted}
    return 0 if found <= {"agrees", "not exported"} else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
