"""`python -m fuzz`: runs mutated input through each target for some seconds. See README.md in this folder."""

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
"""The default memory limit of a pod."""
PARENT: Final = 150 * MIB
"""Resident memory that the parent may have."""
CHECK_EVERY: Final = 50
"""Cases after which a valid pub is run."""
MAX_FINDINGS: Final = 20
"""Findings after which a target is stopped."""
FOUND: Final = Path(__file__).parent / "found"
BELL: Final = b'OPENQASM 2.0;include "qelib1.inc";qreg q[2];creg c[2];h q[0];cx q[0],q[1];measure q->c;'


class Workers:
    """A fork server, restarted where it has died, and the result of a valid pub in it."""

    def __init__(self) -> None:
        self.control: socket.socket | None = None
        self.restart()
        self._expected = self._run_valid_pub()

    def restart(self) -> None:
        """Starts a fork server in place of the former one."""
        self.stop()
        self.pid, self.control = fork_server.start(load_child)
        self.runner = Runner(self.control, memory=cgroup.memory_budget(POD), threads=cgroup.threads())

    def stop(self) -> None:
        """Stops the fork server, if there is one."""
        if self.control is not None:
            fork_server.stop(self.pid, self.control)

    def damage(self) -> str:
        """Describes what earlier cases have done to a valid pub or to this process; empty where nothing."""
        if self._run_valid_pub() != self._expected:
            return "a valid pub has another result"
        resident = parent_bytes()
        return f"the parent has {resident // MIB} MiB" if resident > PARENT else ""

    def _run_valid_pub(self) -> tuple[str, object]:
        task, data = TARGETS["qasm2"].make(BELL)
        report, _ = self.runner.run(task, data, 60.0, lambda: None)
        return ("", None) if report is None else ("result", report.result.data)


def fuzz(target: str, seeds: list[bytes], workers: Workers, *, seconds: float, seed: int) -> Tally:
    """Runs cases of one target; the same seed gives the same cases in the same order."""
    tally = Tally()
    until = time.monotonic() + seconds
    for number in itertools.count():
        if time.monotonic() > until or len(tally.findings) >= MAX_FINDINGS:
            break
        rng = random.Random(f"{seed} {target} {number}")  # noqa: S311  reproducible on purpose
        data = mutated(rng, seeds, TARGETS[target].steps)
        verdict = judge(workers.runner, target, data)
        tally.add(verdict)
        wrong = verdict.wrong
        if wrong and verdict.outcome == "-":
            workers.restart()
        elif not wrong and number % CHECK_EVERY == 0:
            wrong = workers.damage()
        tally.parent = max(tally.parent, parent_bytes())
        if wrong:
            tally.findings.append((wrong, save(target, data)))
    return tally


def save(target: str, data: bytes) -> Path:
    """Writes the input of a finding to found/; returns the file."""
    FOUND.mkdir(exist_ok=True)
    path = FOUND / f"{hashlib.sha256(data).hexdigest()[:12]}.{target}"
    path.write_bytes(data)
    return path


def parent_bytes() -> int:
    """Returns the resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def read_seeds() -> dict[str, list[bytes]]:
    """Reads the seeds that another process writes: they need Qiskit, which this process must not import."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-W", "ignore", "-m", "fuzz.seeds", folder], check=True)
        return {target: [path.read_bytes() for path in sorted(Path(folder).glob(f"*.{target}"))] for target in TARGETS}


def replay(paths: list[Path]) -> int:
    """Runs saved cases; returns 1 where one of them is a finding."""
    workers = Workers()
    bad = 0
    for path in paths:
        verdict = judge(workers.runner, path.suffix[1:], path.read_bytes())
        wrong = verdict.wrong or workers.damage()
        bad += bool(wrong)
        sys.stdout.write(f"{path}: {verdict.outcome}, {verdict.seconds:.2f} s, {verdict.peak // MIB} MiB")
        sys.stdout.write(f", {verdict.note}" * bool(verdict.note) + (f": {wrong}\n" if wrong else "\n"))
    workers.stop()
    return 1 if bad else 0


def main() -> int:
    """Returns 1 where there are findings."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="for each target")
    parser.add_argument("--seed", type=int, default=None, help="for the same cases as before")
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
