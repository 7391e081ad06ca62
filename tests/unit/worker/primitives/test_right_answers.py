"""Random programs in both languages, with user-defined gates under the names of others, against exact distributions."""

from __future__ import annotations

from typing import Any

import pytest
from examples import thorough
from hypothesis import given
from user_gates import NAMES, OTHER_NAMES, compare, programs, written

from quantumjob_contract.schema.program import Format

pytestmark = pytest.mark.usefixtures("nothing_is_quick")


def check(gates: list[Any], calls: list[Any], format_: Format, *, clifford: bool) -> None:
    compare(written(gates, calls, format_).encode(), calls, format_, clifford=clifford)


@thorough(5)
@given(programs(NAMES, clifford=True))
def test_clifford_programs_in_openqasm_2(program: Any) -> None:
    check(*program, "OpenQASM2", clifford=True)


@thorough(5)
@given(programs(NAMES, clifford=False))
def test_programs_in_openqasm_2(program: Any) -> None:
    check(*program, "OpenQASM2", clifford=False)


@thorough(5)
@given(programs(OTHER_NAMES, clifford=True))
def test_clifford_programs_in_openqasm_3(program: Any) -> None:
    check(*program, "OpenQASM3", clifford=True)


@thorough(5)
@given(programs(OTHER_NAMES, clifford=False))
def test_programs_in_openqasm_3(program: Any) -> None:
    check(*program, "OpenQASM3", clifford=False)
