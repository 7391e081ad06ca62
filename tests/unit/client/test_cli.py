"""The commands, as a shell runs them, but in this process."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit, qpy

from quantumjob import Client
from quantumjob.cli import circuit_files, result_tables, terminal
from quantumjob.cli.commands import run
from quantumjob.cli.exit_codes import CommandExit
from quantumjob.cli.options import ConnectionOptions
from quantumjob_contract import limits
from support.service import TOKEN, URL, Running

JSON = dict[str, Any]
BELL = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[2] q;\nbit[2] c;\nh q[0];\ncx q[0], q[1];\nc = measure q;\n'
BELL2 = (
    '// A pair.\nOPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[2];\ncreg c[2];\nh q[0];\ncx q[0],q[1];\nmeasure q->c;\n'
)
Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(service: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    monkeypatch.setenv("QUANTUMJOB_TOKEN", TOKEN)
    monkeypatch.setenv("QUANTUMJOB_NAMESPACE", "team")

    def command(*arguments: str) -> tuple[int, str, str]:
        code = run(["--url", URL, *arguments], ConnectionOptions(transport=service.transport))
        told = capsys.readouterr()
        return code, told.out, told.err

    return command


@pytest.fixture
def bell(tmp_path: Path) -> str:
    file = tmp_path / "bell.qasm"
    file.write_text(BELL)
    return str(file)


def test_submit_wait_and_result(cli: Cli, bell: str) -> None:
    code, out, err = cli("submit", bell, "--name", "bell", "--shots", "100", "--seed", "1", "--wait")
    assert (code, err) == (0, "")
    assert [line.split()[:3] for line in out.splitlines()] == [
        ["NAME", "PHASE", "PROGRESS"],
        ["bell", "Succeeded", "1/1"],
    ]
    code, out, _ = cli("result", "bell", "-o", "json")
    found = json.loads(out)["pubs"][0]["data"]["c"]["counts"]
    assert (code, sum(found.values()), set(found)) == (0, 100, {"00", "11"})
    code, out, _ = cli("result", "bell")
    assert [line.split() for line in out.splitlines()[1:]] == [
        ["circuit", "c", bits, str(times)] for bits, times in sorted(found.items(), key=lambda each: -each[1])
    ]
    code, out, _ = cli("result", "bell", "--histogram")
    assert out.splitlines()[0] == "circuit c: 100 shots"
    assert out.splitlines()[1].count("█") == result_tables.BAR


def test_each_kind_of_file(cli: Cli, service: Running, tmp_path: Path) -> None:
    (tmp_path / "two.qasm").write_text(BELL2)
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    with (tmp_path / "three.qpy").open("wb") as file:
        qpy.dump(circuit, file)
    for name in ("two.qasm", "three.qpy"):
        code, out, _ = cli("submit", str(tmp_path / name), "--wait", "-o", "json")
        assert (code, json.loads(out)["phase"]) == (0, "Succeeded")
    formats = [job["spec"]["program"]["pubs"][0]["circuit"]["format"] for job in service.jobs()]
    assert formats == ["OpenQASM2", "QPY"]


def test_a_circuit_that_no_body_of_the_service_holds_is_uploaded(cli: Cli, service: Running, tmp_path: Path) -> None:
    file = tmp_path / "large.qasm"
    file.write_text(BELL2 + "//" + "x" * (5 << 20))  # OpenQASM 2: its parser is fast
    for _ in range(2):
        code, _, err = cli(
            "submit", str(file), "--name", "large", "--shots", "9", "--seed", "1", "--key", "k", "--wait"
        )
        assert (code, err) == (0, "")
    (job,) = service.jobs()
    program = job["spec"]["program"]
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    where = {"key": f"sha256/{digest}", "sha256": digest}
    assert program["pubs"] == [{"name": "circuit", "circuit": {"format": "OpenQASM2", "object": where}}]
    assert (program["shots"], program["seed"]) == (9, 1)
    assert service.cluster.store.circuits.objects == {f"team/sha256/{digest}": file.read_bytes()}


@pytest.mark.parametrize(("more", "inside"), [(0, True), (1, False)])
def test_a_circuit_is_inside_as_long_as_a_resource_holds_it(
    cli: Cli, service: Running, tmp_path: Path, more: int, inside: bool
) -> None:
    file = tmp_path / "edge.qasm"
    file.write_text(BELL + "//" + "x" * (limits.MAX_INLINE_CHARS - len(BELL) - 2 + more))
    assert cli("submit", str(file), "--wait")[0] == 0
    assert ("inline" in service.jobs()[0]["spec"]["program"]["pubs"][0]["circuit"]) == inside
    uploads = [request for request in service.wire.sent if request.method == "PUT"]
    assert (not uploads) == inside


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("OPENQASM 2.0;", "OpenQASM2"),
        ("OPENQASM 2;", "OpenQASM2"),
        ("\n /* OPENQASM 3; */ // x\nOPENQASM   2.0;", "OpenQASM2"),
        ("OPENQASM 3.0;", "OpenQASM3"),
        ("OPENQASM 3.1;", "OpenQASM3"),
        ("qubit q; // OPENQASM 2.0;", "OpenQASM3"),
        ("", "OpenQASM3"),
        ("//" * 50_000, "OpenQASM3"),
    ],
)
def test_the_header_says_the_language(text: str, language: str) -> None:
    assert circuit_files.language(text) == language


def test_three_submissions_with_one_key_are_one_job(cli: Cli, service: Running, bell: str) -> None:
    names = {cli("submit", bell, "--key", "once", "-o", "name")[1] for _ in range(3)}
    assert len(names) == len(service.jobs()) == 1


def test_list_status_watch_cancel_history_upload(cli: Cli, service: Running, bell: str) -> None:
    cli("submit", bell, "--name", "bell", "--wait")
    assert cli("list", "-o", "name")[1] == "bell\n"
    assert json.loads(cli("list", "-o", "json")[1])[0]["name"] == "bell"
    assert cli("list")[1].splitlines()[1].split()[:2] == ["bell", "Succeeded"]
    assert cli("status", "bell")[1].splitlines()[1].split()[1] == "Succeeded"
    code, out, _ = cli("watch", "bell", "-o", "json")
    assert (code, json.loads(out)["phase"]) == (0, "Succeeded")
    assert cli("watch", "bell")[1].startswith("bell  Succeeded")
    assert cli("cancel", "bell", "-o", "name")[:2] == (0, "bell\n")
    service.forget("bell")
    uid = json.loads(cli("history", "-o", "json")[1])[0]["uid"]
    assert cli("history")[1].splitlines()[1].split()[:3] == ["bell", "Succeeded", "1/1"]
    assert cli("result", uid, "-o", "name")[:2] == (0, "bell\n")
    assert cli("result", uid, "--wait", "-o", "name")[:2] == (0, "bell\n")
    code, _, err = cli("result", "bell")
    assert (code, "quantumjob history" in err) == (CommandExit.NOT_FOUND, True)
    code, out, _ = cli("upload", bell, "--key", "a/bell.qasm")
    assert (code, out.splitlines()[1].split()[:2]) == (0, ["a/bell.qasm", str(len(BELL))])


def test_a_job_that_fails(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "bad.qasm").write_text("OPENQASM 3.0;\nbit c\n")
    code, out, _ = cli("submit", str(tmp_path / "bad.qasm"), "--name", "bad", "--wait")
    assert (code, out.splitlines()[1].split()[1]) == (CommandExit.JOB_FAILED, "Failed")
    code, out, err = cli("result", "bad")
    assert (code, err) == (CommandExit.JOB_FAILED, "")
    assert "SyntaxError" in out
    assert cli("watch", "bad")[0] == CommandExit.JOB_FAILED
    assert "SyntaxError" in cli("result", "bad", "--histogram")[1]


def test_a_job_that_is_not_finished(cli: Cli, service: Running, bell: str) -> None:
    service.cluster.held = True
    assert cli("submit", bell, "--name", "bell", "--wait", "--timeout", "0")[0] == CommandExit.NOT_FINISHED
    assert cli("result", "bell")[0] == CommandExit.NOT_FINISHED
    assert cli("result", "bell", "--wait", "--timeout", "0")[0] == CommandExit.NOT_FINISHED
    assert cli("result", "bell", "--partial")[0] == CommandExit.DONE


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["status", "none"], CommandExit.NOT_FOUND),
        (["result", "80dd8c36-01f0-4807-9a62-1fbde67eafab"], CommandExit.NOT_FOUND),
        (["list", "-n", "other"], CommandExit.NOT_ALLOWED),
        (["status", "NOT A NAME"], CommandExit.REFUSED),
        (["submit", "none.qasm"], CommandExit.USAGE),
        (["submit", __file__], CommandExit.USAGE),
        (["submit", "a.qasm", "--shots", "none"], CommandExit.USAGE),
        (["frob"], CommandExit.USAGE),
        (["--url", "http://example.org", "list"], CommandExit.NOT_ALLOWED),
    ],
)
def test_what_goes_wrong_is_one_line_and_a_code(cli: Cli, arguments: list[str], code: CommandExit) -> None:
    found, out, err = cli(*arguments)
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert err.startswith("quantumjob: ")


def test_a_service_that_is_away(cli: Cli, service: Running) -> None:
    import httpx

    service.wire.instead = [httpx.ConnectError("refused")] * 9
    code, _, err = cli("list")
    assert (code, "does not answer" in err) == (CommandExit.UNAVAILABLE, True)


def test_what_nobody_expected_is_one_line_and_does_not_say_that_the_job_failed(cli: Cli, service: Running) -> None:
    service.wire.instead = [LookupError("no such\nthing")]
    code, out, err = cli("list")
    assert (code, out, err.count("\n")) == (70, "", 1)
    assert err.startswith("quantumjob: a defect: LookupError in ")
    assert err.endswith(": no such thing\n")


def test_a_package_that_is_missing_does_not_say_that_the_job_failed() -> None:
    code = "import sys; sys.modules['typer'] = None; from quantumjob.cli import main; main()"
    path = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=path, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr.count(b"\n")) == (70, 1)
    assert b"typer is not installed" in done.stderr


def test_an_interruption_says_that_the_job_goes_on(cli: Cli, service: Running) -> None:
    service.wire.instead = [KeyboardInterrupt()]
    code, _, err = cli("list")
    assert (code, "continues" in err) == (CommandExit.INTERRUPTED, True)


@pytest.mark.parametrize("arguments", [["--help"], ["submit", "--help"]])
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == CommandExit.DONE
    assert "Usage: quantumjob" in capsys.readouterr().out


def test_neither_qiskit_nor_numpy_is_imported() -> None:
    code = "import sys, quantumjob.cli.commands; sys.exit(bool({'qiskit', 'numpy', 'minio'} & set(sys.modules)))"
    path = os.pathsep.join(sys.path)
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path}, check=True)


def test_ages() -> None:
    from datetime import UTC, datetime

    now = datetime(2026, 1, 3, tzinfo=UTC)
    given = ["2026-01-02T23:59:58Z", "2026-01-02T23:55:00Z", "2026-01-02T20:00:00Z", "2025-12-30T00:00:00+00:00"]
    assert [terminal.age(each, now) for each in given] == ["2s", "5m", "4h", "4d"]


def test_what_would_steer_the_terminal_is_not_printed() -> None:
    assert terminal.plain("a\x1b[2Jb\n") == "a [2Jb "


def test_more_outcomes_than_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    samples = base64.b64encode(bytes(range(40))).decode()
    pub = {"name": "p", "data": {"c": {"numBits": 8, "samples": samples}}}
    result_tables.histogram([pub])
    result_tables.table([pub])
    told = capsys.readouterr().out
    assert told.count("and 24 other outcomes: -o json") == 2


def test_values_of_an_estimator(capsys: pytest.CaptureFixture[str]) -> None:
    found = {"shape": [2, 1], "evs": [0.5, -1.0], "stds": [0.01, 0.0]}
    pubs: list[JSON] = [{"name": "p", "expectations": found}]
    result_tables.histogram(pubs)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["p", "evs", "[0,", "0]", "0.5", "±", "0.01"],
        ["p", "evs", "[1,", "0]", "-1"],
    ]


def test_saved_arrays_are_files(cli: Cli, service: Running, tmp_path: Path) -> None:
    text = 'OPENQASM 3.0; include "stdgates.inc"; qubit q; h q;'
    pub = {"name": "state", "circuit": {"inline": text}, "save": ["Statevector"]}
    body = {"name": "saved", "spec": {"program": {"pubs": [pub]}}}
    with Client(URL, token=TOKEN, namespace="team", transport=service.transport) as client:
        client.submit(body)
        client.wait("saved")
    folder = tmp_path / "new" / "arrays"
    code, out, _ = cli("result", "saved", "--arrays", str(folder))
    assert (code, [line.split() for line in out.splitlines()[1:]]) == (0, [["state", "statevector", "[2]", "<c16"]])
    (file,) = folder.iterdir()
    assert file.name == "0-000000.npz"
    assert np.allclose(np.load(file)["0/statevector"], 0.5**0.5)
    assert cli("result", "saved", "--histogram")[0] == 0
    assert cli("result", "saved", "--partial", "--arrays", str(tmp_path / "none"))[0] == 0
    assert list((tmp_path / "none").iterdir()) == []
