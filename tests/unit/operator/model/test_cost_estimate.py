"""Short or long, from the text alone; and no text that a user can send holds the operator up."""

from __future__ import annotations

import ast
import math
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quantumjob_contract import limits
from quantumjob_contract.schema.backend import Backend, Depolarizing, Noise, Readout
from quantumjob_contract.schema.object_ref import ObjectRef
from quantumjob_contract.schema.program import Circuit, Format, Program, PubsReference
from quantumjob_operator.model import cost_estimate
from quantumjob_operator.model.cost_estimate import UNKNOWN_SECONDS
from quantumjob_operator.scheduling.policy import is_long
from support.jobs import owner
from support.jobs import program as new_program

CLUSTER = Path(__file__).parents[3] / "cluster" / "namespaces.py"
CPU_SECONDS = 5.0
"""Never reached, whatever the machine, but by what would hold the operator up for minutes."""


def circuit_of_the_cluster_tests(name: str) -> str:
    for node in ast.parse(CLUSTER.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            text: str = ast.literal_eval(node.value)
            return text
    raise KeyError(name)


BELL, LONG = map(circuit_of_the_cluster_tests, ("BELL", "LONG"))


def program(circuit: Circuit, pubs: int = 1, shots: int = 1024) -> Program:
    made = new_program(owner(), pubs)
    replaced = [msgspec.structs.replace(pub, circuit=circuit, shots=shots) for pub in made.pubs]
    return msgspec.structs.replace(made, pubs=replaced)


def seconds(of: Program) -> float:
    """Of a program of one shard."""
    (found,) = cost_estimate.shard_seconds(of)
    return found


def of(text: str, form: Format = "OpenQASM3", **more: Any) -> float:
    return seconds(program(Circuit(form, text), **more))


def test_a_bell_is_short() -> None:
    assert not is_long(of(BELL))
    assert not is_long(
        of('OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; creg c[2]; h q[0]; cx q[0],q[1];', "OpenQASM2")
    )


def test_the_long_circuit_of_the_cluster_tests_is_long() -> None:
    assert is_long(of(LONG))


def test_many_bells_are_long() -> None:
    assert is_long(of(BELL, pubs=limits.MAX_PUBS))
    assert of(BELL, pubs=10) == pytest.approx(10 * of(BELL))


@pytest.mark.parametrize(
    "circuit",
    [
        Circuit("QPY", "UUlTS0lU"),
        Circuit("OpenQASM3", object=ObjectRef("a/b.qasm")),
        Circuit("OpenQASM3", "bit c; qubit q; while (c == 0) { c = measure q; }"),
        Circuit("OpenQASM3", "qubit[40] q; h q;"),
        Circuit("OpenQASM2", "qreg a[20]; qreg b[20]; h a;"),
    ],
    ids=["qpy", "object", "while", "wide", "wide by two registers"],
)
def test_what_cannot_be_judged_counts_as_long(circuit: Circuit) -> None:
    assert seconds(program(circuit)) == UNKNOWN_SECONDS
    assert is_long(UNKNOWN_SECONDS)


def test_a_loop_counts_as_often_as_it_runs() -> None:
    once = "qubit[2] q; h q[0]; cx q[0], q[1];"
    assert not is_long(of(once))
    heads = ("int i in [0:99999]", "uint i in [0:2:199998]", "int i in [99999:-1:0]", "int[32] i in [-50000:49999]")
    for head in heads:
        assert is_long(of(f"for {head} {{ {once} }}")), head
    nested = f"for int i in [0:400] {{ for int j in [0:400] {{ {once} }} }}"
    assert is_long(of(nested))
    known = of(f"int n = 5; for int i in [0:1] {{ {once} {once} }}")
    assert of(f"int n = 5; for int i in [0:n] {{ {once} {once} }}") > 10 * known, "an end that is not known"


def test_what_happens_in_each_shot_is_simulated_in_each_shot() -> None:
    text = "qubit[16] q; bit[16] c; h q; c = measure q;"
    assert not is_long(of(text, shots=10_000))
    assert is_long(of(text + " reset q; h q; c = measure q;", shots=10_000))


@given(st.integers(1, 400), st.integers(1, 20), st.integers(1, limits.MAX_SHOTS))
def test_more_of_anything_never_takes_less(gates: int, width: int, shots: int) -> None:
    def text(gates: int, width: int) -> str:
        return f"qubit[{width}] q;" + "h q;" * gates

    base = of(text(gates, width), shots=shots)
    assert base > 0
    assert of(text(gates + 1, width), shots=shots) >= base
    assert of(text(gates, width + 1), shots=shots) >= base
    assert of(text(gates, width), shots=shots + 1) >= base


PIECES = [
    "for",
    " ",
    "[",
    "]",
    ":",
    "0",
    "9" * 300,
    "-1",
    "qreg q[",
    "qubit[",
    "while",
    "if",
    ";",
    "{",
    "i in",
    "٣",
    "x",
]


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join) | st.text(max_size=200))
@example("qreg q[" + "9" * 5000 + "];")
@example("for int i in [0:" + "9" * 5000 + "] {h q;}")
@example("for int i in [0:" + "9" * 200 + "] { for int j in [0:" + "9" * 200 + "] {h q;} }")
def test_any_text_has_an_estimate(text: str) -> None:
    for form in ("OpenQASM2", "OpenQASM3", "QPY"):
        found = of(text, form)  # type: ignore[arg-type]
        assert found > 0
        assert not math.isnan(found)


@contextmanager
def bounded() -> Iterator[None]:
    """An error where the block takes CPU time without end, in place of a test run that hangs."""

    def end(*_: object) -> None:
        raise AssertionError("this text would hold the operator up")

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


REPEATED = [
    "for ",
    "for\n",
    "for[",
    "for [1",
    "for [1:",
    "for x [1:2",
    "for int i in [0:9]",
    "for int i in [0:" + "9" * 18 + "] ",
    "qreg ",
    "qreg q",
    "qreg q [",
    "qubit",
    "qubit[",
    "qubit[1",
    "qubit[1];",
    "while",
    "[",
    " ",
    "9",
    "-",
    ";",
    "if",
    "\t",
    "for x ",
    "in [1:",
    "in [1:2",
    "a",
    "٣",
]


@pytest.mark.parametrize("piece", REPEATED)
@pytest.mark.parametrize("head", ["", "for ", "for int i in [", "for [1:", "qreg ", "qreg q[", "qubit["], ids=repr)
def test_no_text_of_the_largest_size_holds_the_operator_up(head: str, piece: str) -> None:
    text = (head + piece * (limits.MAX_INLINE_CHARS // len(piece)))[: limits.MAX_INLINE_CHARS]
    with bounded():
        assert of(text) > 0


class Spy:
    """A regular expression that notes how much it was asked to read."""

    def __init__(self, real: re.Pattern[str]) -> None:
        self.real, self.read = real, 0

    def findall(self, text: str) -> list[Any]:
        self.read += len(text)
        return self.real.findall(text)


@pytest.mark.parametrize(
    ("head", "piece", "loops"),
    [
        ("qubit[2] q;", "h q[0];", False),
        ("qubit[2] q;", "if (c) { reset q; }", False),
        ("", "qreg q[1];", False),
        ("", "while", False),
        ("", " ", False),
        ("qubit[2] q;", "for int i in [0:9] {h q;}", True),
    ],
)
def test_no_expression_reads_a_whole_text_but_for_loops(
    monkeypatch: pytest.MonkeyPatch, head: str, piece: str, loops: bool
) -> None:
    text = (head + piece * (limits.MAX_INLINE_CHARS // len(piece)))[: limits.MAX_INLINE_CHARS]
    register, loop, others = Spy(cost_estimate._REGISTER), Spy(cost_estimate._LOOP), []

    def other(pattern: str, read: str, *_: Any) -> list[Any]:
        others.append(len(read))
        return re.findall(pattern, read)

    monkeypatch.setattr(cost_estimate, "_REGISTER", register)
    monkeypatch.setattr(cost_estimate, "_LOOP", loop)
    # Nothing else of `re` is there: whatever else is called is an error.
    monkeypatch.setattr(cost_estimate, "re", SimpleNamespace(findall=other))
    assert of(text) > 0
    assert register.read <= cost_estimate.HEAD_CHARS
    assert (loop.read > 0, bool(others)) == (loops, loops)


def test_each_point_counts() -> None:
    """A sweep of a small circuit becomes long with its points."""
    one = program(Circuit("OpenQASM3", BELL))
    collect_garbage = [msgspec.structs.replace(pub, parameter_values={"a, b": [[0, 0]] * 10_000}) for pub in one.pubs]
    assert is_long(seconds(msgspec.structs.replace(one, pubs=collect_garbage)))
    observed = [msgspec.structs.replace(pub, shots=0, observables=["ZZ"] * 100) for pub in one.pubs]
    assert not is_long(seconds(msgspec.structs.replace(one, pubs=observed)))


def test_a_noisy_circuit_is_simulated_in_each_shot() -> None:
    ideal = program(Circuit("OpenQASM3", "qubit[20] q; bit[20] c; h q; h q; c = measure q;"))
    noise = Noise(depolarizing=Depolarizing(0.1))
    assert not is_long(seconds(ideal))
    assert is_long(seconds(msgspec.structs.replace(ideal, backend=Backend(noise=noise))))
    misread = Noise(readout=Readout(0.1))
    assert seconds(msgspec.structs.replace(ideal, backend=Backend(noise=misread))) == seconds(ideal)


def test_a_shard_takes_what_its_own_pubs_take() -> None:
    made = program(Circuit("OpenQASM3", BELL), 8)
    long = msgspec.structs.replace(made.pubs[4], circuit=Circuit("OpenQASM3", LONG))
    made = msgspec.structs.replace(made, pubs=[*made.pubs[:4], long, *made.pubs[5:]], parallelism=3)
    found = cost_estimate.shard_seconds(made)
    assert list(map(is_long, found)) == [False, True, False]
    assert sum(found) == pytest.approx(seconds(msgspec.structs.replace(made, parallelism=1)))
    assert len(cost_estimate.shard_seconds(msgspec.structs.replace(made, parallelism=64))) == 8


@given(st.floats(0.1, 1e5), st.integers(0, 100), st.floats(0.0, 1e5))
def test_what_is_left_goes_from_the_estimate_to_what_was_measured(expected: float, done: int, elapsed: float) -> None:
    left = cost_estimate.seconds_left(expected, done, 100, elapsed)
    assert left >= 0
    if done == 100:
        assert left == pytest.approx(0, abs=1e-6 * (1 + elapsed))
    if done == 0:
        assert left == pytest.approx(max(expected, elapsed) - elapsed)


def test_what_is_left_of_a_job_that_is_slower_than_its_estimate() -> None:
    """Half of it took 100 s where all of it was to take 10: the other half is between the two, nearer to no time."""
    assert cost_estimate.seconds_left(10.0, 50, 100, 100.0) == pytest.approx(50.0)
    assert cost_estimate.seconds_left(10.0, 90, 100, 180.0) == pytest.approx(18.0, rel=0.1)


def test_many_listed_pubs_take_longer_than_few() -> None:
    def seconds(pubs: int, parallelism: int = 1) -> list[float]:
        listed = PubsReference("pubs.jsonl", "0" * 64, pubs, 100)
        made = msgspec.structs.replace(new_program(owner(), 1), pubs=[], listed=listed, parallelism=parallelism)
        return cost_estimate.shard_seconds(made)

    assert seconds(1) == [UNKNOWN_SECONDS]
    assert seconds(20_000)[0] > seconds(1)[0]
    assert sum(seconds(20_000, 4)) == pytest.approx(seconds(20_000)[0])
