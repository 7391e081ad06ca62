"""The corpus of refusals through a whole worker, a good pub after each circuit: see refusals/README.md."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import pytest
from worker_fakes import BELL, Fake, job, serving
from worker_tasks import run

from quantumjob_contract import keys, names
from quantumjob_contract.exit_codes import Exit
from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.backend import Backend
from quantumjob_contract.schema.object_ref import ObjectRef
from quantumjob_contract.schema.program import Circuit, Format, Program, Pub
from quantumjob_contract.schema.results import PubResult, decode_segment

CORPUS: Final = Path(__file__).parent / "refusals"
FORMATS: Final[dict[str, Format]] = {".qasm2": "OpenQASM2", ".qasm3": "OpenQASM3", ".qpy": "QPY"}
CASES: Final = sorted(path for path in CORPUS.rglob("*") if path.suffix in FORMATS)
HANGING: Final = [path for path in CASES if path.parent.name == PubReason.DEADLINE_EXCEEDED]
"""Circuits that run until their share of the deadline is used up: in an order of their own, with a short deadline."""
ENDING: Final = [path for path in CASES if path not in HANGING]
WIDE: Final = CORPUS / "DeadlineExceeded" / "34-qubits.qasm2"
SECRET: Final = "secret-of-the-environment"
SECONDS: Final = 16.0
"""Until the deadline of the order that hangs: almost two seconds for each pub, and no second share here."""
WORKER: Final = """
import sys
from quantumjob_worker.agent import time_budget
from quantumjob_worker.isolation import cgroup
from quantumjob_worker.__main__ import main
cgroup.memory_limit = lambda: 1 << 30
time_budget.MIN_RETRY_GROWTH = 1e9
sys.exit(main())
"""
"""A worker as its container runs it, in a pod of 1 GiB."""


@dataclass
class Ran:
    """What is left of a worker that had three orders: what ends, what hangs, and one circuit by a given method."""

    results: dict[Path, PubResult]
    neighbours: list[PubResult]
    by_statevector: list[PubResult]
    exit_code: int
    outputs: bytes
    """Everything that it wrote or said anywhere."""
    left_behind: list[str]


def pub(name: str, path: Path) -> Pub:
    """Of this file, by its object; the bytes need not be text."""
    options = path.with_name(f"{path.name}.json")
    given = json.loads(options.read_text()) if options.exists() else {}
    return Pub(
        name=name,
        circuit=Circuit(FORMATS[path.suffix], object=ObjectRef(str(path.relative_to(CORPUS)))),
        shots=given.get("shots", 100),
        parameter_values=given.get("parameterValues", {}),
    )


def program(paths: list[Path], uid: str) -> Program:
    """A pub for each file, and a good one after each."""
    bells = job(*[BELL] * len(paths)).pubs
    pubs = [each for number, path in enumerate(paths) for each in (pub(f"refused-{number}", path), bells[number])]
    return msgspec.structs.replace(job(BELL, uid=uid), pubs=pubs)


def carried_out(fake: Fake, folder: Path) -> tuple[int, bytes]:
    """The worker's exit code, and what it wrote."""
    token = folder / "token"
    token.write_text("secret-token")
    environment = {
        "PYTHONPATH": os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path if entry),
        "TMPDIR": str(folder),
        "SECRET": SECRET,
        names.ENV_ORDERS_URL: fake.url,
        names.ENV_TOKEN_FILE: str(token),
    }
    done = subprocess.run([sys.executable, "-c", WORKER], env=environment, capture_output=True, check=False)
    token.unlink()
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("pod")
    with serving() as fake:
        fake.objects |= {f"circuits/{path.relative_to(CORPUS)}": path.read_bytes() for path in CASES}
        fake.make_order(program(ENDING, "uid-1"), only=False)
        fake.make_order(program(HANGING, "uid-2"), seconds_left=SECONDS, only=False)
        wide = msgspec.structs.replace(job(BELL, uid="uid-3"), backend=Backend(method="statevector"))
        wide = msgspec.structs.replace(wide, pubs=[pub("wide", WIDE), *wide.pubs])
        fake.make_order(wide, only=False)
        code, written = carried_out(fake, folder)
        results: dict[Path, PubResult] = {}
        neighbours: list[PubResult] = []
        for paths, uid in ((ENDING, "uid-1"), (HANGING, "uid-2")):
            found = fake.all_results(uid=uid)
            results |= {path: found[2 * number] for number, path in enumerate(paths)}
            neighbours += [found[2 * number + 1] for number in range(len(paths))]
        by_statevector = decode_segment(fake.objects[fake.pending(keys.LAST, keys.Owner("team", "uid-3"))]).pubs
        stored = [data for key, data in fake.objects.items() if not key.startswith("circuits/")]
        said = msgspec.json.encode([fake.asked, fake.alive])
    return Ran(
        results,
        neighbours,
        by_statevector,
        code,
        b"\n".join([written, said, *stored]),
        [path.name for path in folder.iterdir()],
    )


@pytest.mark.parametrize("path", CASES, ids=lambda path: str(path.relative_to(CORPUS)))
def test_refused_with_its_reason(ran: Ran, path: Path) -> None:
    error = ran.results[path].error
    assert error is not None
    assert error.reason == PubReason(path.parent.name), error


def test_neighbours_have_their_results(ran: Ran) -> None:
    """The same as alone, but for their seeds."""
    for result in ran.neighbours:
        assert result.data == run(BELL, seed=result.metadata.seed).result.data


def test_a_method_that_cannot_hold_it_is_refused_with_figures(ran: Ran) -> None:
    wide, bell = ran.by_statevector
    assert wide.error is not None
    assert wide.error.reason == PubReason.MEMORY_LIMIT
    assert "262144 MiB" in wide.error.message or "2^18 MiB" in wide.error.message
    assert bell.data is not None


def test_the_worker_ends_well_and_leaves_nothing(ran: Ran) -> None:
    assert ran.exit_code == Exit.DONE, ran.outputs[-2000:]
    assert ran.left_behind == []


def test_no_output_holds_a_file_or_a_traceback(ran: Ran) -> None:
    """Samples are base64, so whatever is found here was quoted."""
    quoted = [b"Traceback", b"site-packages", b'File "', SECRET.encode(), b"secret_gate", b"secret_name", b"root:x:"]
    quoted += [b"/etc/passwd", b"/proc/self", b"passwd", b"a39 q", base64.b64encode(b"root:x:")]
    assert [words for words in quoted if words in ran.outputs] == []


def test_the_corpus_holds_what_it_must() -> None:
    there = {path.parent.name for path in CASES} | {path.stem for path in CASES}
    assert there >= {
        "width-bomb", "nested-gates", "include-absolute", "include-relative", "include-proc", "qpy-12", "cut-short",
        "angle-nan", "angle-inf", "values-nan", "values-inf", "endless-while", "34-qubits", "shots-1e9",
        "nested-deeply-parentheses", "not-utf-8", "gzip-bomb",
    }  # fmt: skip
