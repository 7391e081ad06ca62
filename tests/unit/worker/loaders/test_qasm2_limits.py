"""The scan before the parser: bounds, and a time that grows with the text's length only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantumjob_contract.limits import MAX_OPERATIONS
from quantumjob_contract.reasons import PubReason
from quantumjob_worker.errors import PubFailed
from quantumjob_worker.loaders import qasm2, qasm3
from quantumjob_worker.loaders.lexer import place, tokenize
from quantumjob_worker.loaders.qasm2_limits import scan


def test_comments_hide_nothing_and_lines_stay() -> None:
    scanned = scan("OPENQASM 2.0; // qreg a[9999999];\nqreg q[1]; // gate x a {}\r\ngate own a {}")
    assert scanned.gates == {"own"}
    assert scanned.text.count("\n") == 2
    with pytest.raises(PubFailed) as failed:
        scan("// c\rqreg q[9999999];")
    assert failed.value.error.line == 2


def test_whole_registers_multiply() -> None:
    body = "".join("h a;" for _ in range(2000))
    with pytest.raises(PubFailed) as failed:
        scan(f"gate g a {{{body}}} qreg q[1024]; g q;")
    assert failed.value.error.reason == PubReason.CIRCUIT_TOO_LARGE
    scan(f"gate g a {{{body}}} qreg q[1024]; g q[0];")
    assert str(MAX_OPERATIONS) in failed.value.error.message


def test_own_gates_are_renamed_everywhere_but_in_strings() -> None:
    scanned = scan('include "qelib1.inc"; gate ch a,b {} gate two a,b {ch a,b;} qreg q[2]; ch q[0],q[1];')
    text = qasm2.rename_user_gates(scanned, frozenset({"ch"}))
    assert text == scanned.text.replace("ch ", "own_ch_gate ")


@pytest.mark.parametrize(
    "piece", ["/*", "/* */", '"', "//", "'", "((", "$", "qreg ", "gate a b{", "if(", "[", "\n\r", "-"]
)
def test_hostile_repetitions_end(piece: str) -> None:
    """Quadratic work would not end within the suite's patience."""
    text = piece * 300_000
    for check in (scan, qasm3.scan):
        try:
            check(text)
        except PubFailed as failed:
            assert failed.error.reason  # noqa: PT017  either way is fine, as long as it comes back


@given(st.text(alphabet='ab0 ;{}[]()"/*\n$.', max_size=60))
def test_no_text_breaks_the_scans(text: str) -> None:
    for check in (scan, qasm3.scan):
        try:
            check(text)
        except PubFailed as failed:
            assert failed.error.line is None or failed.error.line >= 1  # noqa: PT017


def test_tokens() -> None:
    found = [(token.kind, token.text) for token in tokenize("ab /* c */ 'x' 1.5e3 $2 // z\n;")]
    assert found == [("word", "ab"), ("string", "x"), ("number", "1.5e3"), ("physical", "$2"), ("symbol", ";")]
    assert place("ab\ncd", 4) == (2, 2)
