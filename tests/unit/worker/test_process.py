"""The whole worker as its container runs it: `python -m quantumjob_worker`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from worker_fakes import BELL, Fake, job
from worker_tasks import HEAD3

from quantumjob_contract import keys, names
from quantumjob_contract.exit_codes import Exit
from quantumjob_contract.schema.program import Circuit
from quantumjob_worker.isolation import limits

ENDLESS = HEAD3 + "qubit q; bit b; x q; b = measure q; while (b) {x q; x q; b = measure q;}"


def worker(fake: Fake, tmp_path: Path, **environment: str) -> subprocess.Popen[str]:
    token = tmp_path / "token"
    token.write_text("secret-token")
    path = os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path if entry)
    variables = {
        "PYTHONPATH": path,
        "HOSTNAME": "pod-1",
        "TMPDIR": str(tmp_path),
        names.ENV_ORDERS_URL: fake.url,
        names.ENV_TOKEN_FILE: str(token),
        **environment,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "quantumjob_worker"],
        env=variables,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_job_from_start_to_end(fake: Fake, tmp_path: Path) -> None:
    fake.make_order(job(BELL, "OPENQASM 2.0; secret-text;", BELL))
    out, err = (process := worker(fake, tmp_path)).communicate(timeout=60)
    assert (process.returncode, out) == (Exit.DONE, ""), err
    found = fake.all_results()
    assert [found[i].error is None for i in range(3)] == [True, False, True]
    assert fake.segment(keys.LAST).provenance.sandbox == limits.describe()
    lines = [json.loads(line) for line in err.splitlines()]
    assert lines[-1]["reason"] == "Done"
    for secret in ("secret", "http:", "qreg"):
        assert secret not in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["token"]


@pytest.mark.parametrize("pubs", [1, 2])
def test_sigterm_keeps_what_is_done(fake: Fake, tmp_path: Path, pubs: int) -> None:
    """The endless pub runs when the signal comes: the segment with the first has been flushed while it ran."""
    sources = [Circuit("OpenQASM2", inline=BELL)] * (pubs - 1)
    fake.make_order(job(*sources, Circuit("OpenQASM3", inline=ENDLESS)))
    process = worker(fake, tmp_path)
    with fake.changed:
        assert fake.changed.wait_for(lambda: fake.count("PUT") if pubs == 2 else fake.count("POST"), timeout=60)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == Exit.TEMPORARY, err
    assert list(fake.objects) == [fake.pending("000000")] * (pubs - 1)


def test_a_deadline_ends_the_endless_pub_only(fake: Fake, tmp_path: Path) -> None:
    """The second order: Qiskit is imported by then, however long that takes."""
    fake.make_order(job(BELL), only=False)
    fake.make_order(job(BELL, Circuit("OpenQASM3", inline=ENDLESS), BELL, uid="uid-2"), seconds_left=6)
    _, err = (process := worker(fake, tmp_path)).communicate(timeout=60)
    assert process.returncode == Exit.DONE, err
    found = fake.all_results(uid="uid-2")
    assert [found[i].error is None for i in range(3)] == [True, False, True]


def test_an_environment_without_url(fake: Fake, tmp_path: Path) -> None:
    process = worker(fake, tmp_path, **{names.ENV_ORDERS_URL: ""})
    process.communicate(timeout=60)
    assert process.returncode == Exit.INTERNAL


def test_a_shared_worker_is_stopped_in_its_second_order(fake: Fake, tmp_path: Path) -> None:
    fake.make_order(job(BELL), only=False)
    fake.make_order(job(BELL, Circuit("OpenQASM3", inline=ENDLESS), uid="uid-2"), only=False)
    process = worker(fake, tmp_path)
    with fake.changed:
        assert fake.changed.wait_for(lambda: fake.count("PUT") == 2, timeout=60)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == Exit.TEMPORARY, err
    second = keys.Owner("team", "uid-2")
    assert list(fake.objects) == [fake.pending(keys.LAST), fake.pending("000000", second)]


def test_an_idle_shared_worker_that_is_told_to_stop(fake: Fake, tmp_path: Path) -> None:
    fake.make_order(job(BELL), only=False)
    fake.last_answer = 204
    process = worker(fake, tmp_path)
    with fake.changed:
        assert fake.changed.wait_for(lambda: len(fake.asked) >= 3, timeout=60)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == Exit.DONE, err
    assert fake.asked[-1].leaving
