"""Tests of the command line: a run of all parts writes the page, a run of some does not."""

import pytest
from benchmarks.__main__ import PAGE, options
from benchmarks.run import PARTS


def test_all_parts_and_the_page_by_default() -> None:
    chosen = options([])
    assert (chosen.only, chosen.output) == (set(PARTS), PAGE)
    assert (chosen.burst, chosen.at_once, chosen.long) == (1000, 4, 30.0)


def test_some_parts_leave_the_page_alone() -> None:
    chosen = options(["--only", "standing,burst", "--burst", "10"])
    assert (chosen.only, chosen.output, chosen.burst) == ({"standing", "burst"}, None, 10)


def test_a_part_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options(["--only", "standing,bursts"])
    assert "no part is called bursts" in capsys.readouterr().err
