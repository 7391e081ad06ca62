"""Parts that run side by side: their results, and what a failure does to the others."""

from collections.abc import Iterator
from functools import partial

import pytest

from localnode import shell
from localnode.parallel import together
from localnode.shell import CommandError, Stopped, run


@pytest.fixture(autouse=True)
def _commands_may_run_again() -> Iterator[None]:
    yield
    shell._stopping.clear()


def test_results_come_in_the_order_of_the_parts() -> None:
    assert together(partial(run, "echo", "a"), partial(run, "echo", "b")) == ["a\n", "b\n"]


def test_a_failure_terminates_the_commands_of_the_others_and_is_raised() -> None:
    # Without an end of the sleep by a signal, the test would not return.
    with pytest.raises(CommandError, match="exited with status 3"):
        together(partial(run, "sleep", "infinity"), partial(run, "sh", "-c", "exit 3"))
    assert not shell._running


def test_the_cause_is_raised_from_inner_parts() -> None:
    def inner() -> str:
        return together(partial(run, "sleep", "infinity"), partial(run, "sh", "-c", "exit 3"))[0]

    with pytest.raises(CommandError, match="exited with status 3"):
        together(partial(run, "sleep", "infinity"), inner)


def test_no_command_starts_after_a_failure() -> None:
    shell.stop()
    with pytest.raises(Stopped):
        run("true")


def test_a_command_that_may_not_be_stopped_ends_by_itself() -> None:
    outputs: list[str] = []

    def unstoppable() -> None:
        outputs.append(run("sh", "-c", "sleep 1; echo done", stoppable=False))

    with pytest.raises(CommandError, match="exited with status 3"):
        together(unstoppable, partial(run, "sh", "-c", "exit 3"))
    assert outputs == ["done\n"]


def test_a_missing_command_is_named() -> None:
    with pytest.raises(CommandError, match="the command no-such-command is not installed"):
        run("no-such-command")
