"""`python -m fuzz`: each target for some seconds, the same cases for the same seed. See README.md beside this."""

from __future__ import annotations

import argparse
import hashlib
import itertools
import random
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from fuzz.mutations import mutated
from fuzz.table import Tally, show
from fuzz.targets import TARGETS
from fuzz.verdict import judge
from quantumjob_contract.limits import MIB
from quantumjob_worker.__main__ import load_child
from quantumjob_worker.isolation import cgroup, fork_server
from quantumjob_worker.isolation.runner import Runner

POD: Final = 1024 * MIB
"""The memory limit of a pod whose job does not say otherwise."""
PARENT: Final = 150 * MIB
"""Resident memory that the parent may have."""
NEIGHBOUR_EVERY: Final = 50
MOST_SAVED: Final = 20
"""Findings of one target after which it is broken enough."""
FOUND: Final = Path(__file__).parent / "found"
BELL: Final = b'OPENQASM 2.0;include "qelib1.inc";qreg q[2];creg c[2];h q[0];cx q[0],q[1];measure q->c;'


class Workers:
    """A fork server, and another where one died; and what a good pub gives in a child of it."""

    def __init__(self) -> None:
        self.control: socket.socket | None = None
        self.restart()
        self._right = self._neighbour()

    def restart(self) -> None:
        self.stop()
        self.pid, self.control = fork_server.start(load_child)
        self.runner = Runner(self.control, memory=cgroup.memory_budget(POD), threads=cgroup.threads())

    def stop(self) -> None:
        if self.control is not None:
            fork_server.stop(self.pid, self.control)

    def harmed(self) -> str:
        """What the cases so far have done to a neighbour or to this process; empty where nothing."""
        if self._neighbour() != self._right:
            return "a good neighbour has another result"
        resident = parent_bytes()
        return f"the parent has {resident // MIB} MiB" if resident > PARENT else ""

    def _neighbour(self) -> tuple[str, object]:
        task, data = TARGETS["qasm2"].make(BELL)
        report, _ = self.runner.run(task, data, 60.0, lambda: None)
        return ("", None) if report is None else ("result", report.result.data)


def fuzz(target: str, seeds: list[bytes], workers: Workers, *, seconds: float, seed: int) -> Tally:
    tally = Tally()
    until = time.monotonic() + seconds
    for number in itertools.count():
        if time.monotonic() > until or len(tally.findings) >= MOST_SAVED:
            break
        rng = random.Random(f"{seed} {target} {number}")  # noqa: S311  a fuzzer's
        data = mutated(rng, seeds, TARGETS[target].steps)
        verdict = judge(workers.runner, target, data)
        tally.add(verdict)
        wrong = verdict.wrong
        if wrong and verdict.outcome == "-":
            workers.restart()
        elif not wrong and number % NEIGHBOUR_EVERY == 0:
            wrong = workers.harmed()
        tally.parent = max(tally.parent, parent_bytes())
        if wrong:
            tally.findings.append((wrong, save(target, data)))
    return tally


def save(target: str, data: bytes) -> Path:
    FOUND.mkdir(exist_ok=True)
    path = FOUND / f"{hashlib.sha256(data).hexdigest()[:12]}.{target}"
    path.write_bytes(data)
    return path


def parent_bytes() -> int:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def read_seeds() -> dict[str, list[bytes]]:
    """Written by a process of its own, which needs Qiskit."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-W", "ignore", "-m", "fuzz.seeds", folder], check=True)
        return {target: [path.read_bytes() for path in sorted(Path(folder).glob(f"*.{target}"))] for target in TARGETS}


def replay(paths: list[Path]) -> int:
    """The same cases again; 1 where one of them still is a finding."""
    workers = Workers()
    bad = 0
    for path in paths:
        verdict = judge(workers.runner, path.suffix[1:], path.read_bytes())
        wrong = verdict.wrong or workers.harmed()
        bad += bool(wrong)
        sys.stdout.write(f"{path}: {verdict.outcome}, {verdict.seconds:.2f} s, {verdict.peak // MIB} MiB")
        sys.stdout.write(f", {verdict.note}" * bool(verdict.note) + (f": {wrong}\n" if wrong else "\n"))
    workers.stop()
    return 1 if bad else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="of each target")
    parser.add_argument("--seed", type=int, default=None, help="the same cases again")
    parser.add_argument("--target", action="append", choices=list(TARGETS), help="only this one; may be repeated")
    parser.add_argument("replay", nargs="*", type=Path, help="saved inputs to run again")
    given = parser.parse_args()
    if given.replay:
        return replay(given.replay)
    seed = secrets.randbits(32) if given.seed is None else given.seed
    sys.stdout.write(f"seed {seed}, {given.seconds:g} s for each target\n")
    sys.stdout.flush()
    seeds = read_seeds()
    workers = Workers()
    tallies = {}
    for target in given.target or TARGETS:
        tallies[target] = fuzz(target, seeds[target], workers, seconds=given.seconds, seed=seed)
    workers.stop()
    show(tallies)
    return 1 if any(tally.findings for tally in tallies.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
