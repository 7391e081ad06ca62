"""What a child cannot do that a parser's bug has taken over: each in a real child of a real fork server."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path
from typing import Any

import pytest
from worker_fakes import BELL
from worker_tasks import in_child

from quantumjob_worker.isolation import landlock, limits, scratch_dir, seccomp
from quantumjob_worker.isolation.fork_server import ENVIRONMENT
from quantumjob_worker.isolation.runner import Runner

LANDLOCKED = pytest.mark.skipif(not landlock.abi(), reason="this kernel has no Landlock")
FILTERED = pytest.mark.skipif(not seccomp.available(), reason="this kernel has no seccomp, or we no filter for it")


def trace(hostile: Runner, code: str) -> str:
    report, end = in_child(hostile, code)
    assert report is not None, (code, end)
    return report.trace


def refused(hostile: Runner, code: str) -> None:
    answer = trace(hostile, code)
    assert answer.startswith("PermissionError"), (code, answer)


def test_a_child_knows_nothing(hostile: Runner) -> None:
    code = "import os; answer = (dict(os.environ), sorted(os.listdir('.')), os.getppid() > 1)"
    assert trace(hostile, code) == str((ENVIRONMENT, [], True))
    probe = (
        "import os\nanswer = []\nfor n in range(4096):\n  try: os.fstat(n); answer.append(n)\n  except OSError: pass"
    )
    assert trace(hostile, probe) == "[0, 1, 2, 3]"
    assert trace(hostile, "import os; answer = [os.read(0, 1), os.write(1, b'x'), os.write(2, b'x')]") == "[b'', 1, 1]"


def test_nothing_of_the_environment_is_left_in_memory(hostile: Runner) -> None:
    stat = Path(f"/proc/{hostile.pid}/stat").read_text().rpartition(")")[2].split()  # type: ignore[attr-defined]
    start, end = int(stat[47]), int(stat[48])
    assert end - start > 100
    assert trace(hostile, f"import ctypes; answer = set(ctypes.string_at({start}, {end - start}))") == "{0}"


@LANDLOCKED
def test_files_are_shut(hostile: Runner, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret")
    parent: int = hostile.pid  # type: ignore[attr-defined]
    secrets = [f"/proc/{pid}/{name}" for pid in (parent, os.getpid()) for name in ("environ", "mem", "maps", "fd/0")]
    for path in (token, "/etc/passwd", "/proc/self/environ", "/sys/kernel/mm/transparent_hugepage/enabled", *secrets):
        refused(hostile, f"answer = open({str(path)!r}, 'rb').read()")
    for code in (
        f"open({str(tmp_path / 'new')!r}, 'w')",
        f"open({str(token)!r}, 'a')",
        f"import os; os.truncate({str(token)!r}, 0)",
        f"import os; os.unlink({str(token)!r})",
        f"import os; os.listdir({str(tmp_path)!r})",
        "import os; os.listdir('/proc/self/fd')",
        "import os; os.execv('/bin/sh', ['sh', '-c', 'true'])",
        f"import os; os.symlink({str(token)!r}, 'link')",
        f"import os; os.link({str(token)!r}, 'link')",
        "import os; os.mkdir('folder')",
    ):
        refused(hostile, code)
    assert token.read_text() == "secret"
    assert trace(hostile, "open('own', 'w').write('x'); answer = open('own').read(); import colorsys") == "x"


@LANDLOCKED
def test_a_child_can_import_the_rest_of_its_package(hostile: Runner) -> None:
    assert (
        trace(hostile, "from quantumjob_worker.agent import npz; answer = npz.__name__")
        == "quantumjob_worker.agent.npz"
    )


@LANDLOCKED
def test_what_another_pub_wrote_is_out_of_reach_and_gone(hostile: Runner) -> None:
    first = trace(hostile, "import os; open('own', 'w').write('x'); answer = os.path.realpath('own')")
    assert not Path(first).exists()
    assert not Path(first).parent.exists()
    other = scratch_dir.ScratchDir()
    try:
        (Path(other.path) / "theirs").write_text("secret")
        refused(hostile, f"answer = open({other.path + '/theirs'!r}).read()")
        refused(hostile, f"import os; answer = os.listdir({other.path!r})")
    finally:
        other.remove()
    assert trace(hostile, "import os; answer = os.listdir('.')") == "[]"


def test_the_room_of_a_child_that_is_killed_is_taken_away(hostile: Runner) -> None:
    where = trace(hostile, "import os; answer = os.getcwd()")
    report, end = in_child(hostile, "open('own', 'w').write('x')\nwhile True: pass", seconds=0.5)
    assert report is None
    assert end.timed_out
    assert not Path(where).exists()
    assert trace(hostile, "import os; answer = os.listdir('.')") == "[]"


@pytest.mark.parametrize("deed", ["nested", "unreadable", "renamed"])
def test_a_room_is_made_anew_after_any_change(deed: str) -> None:
    """As where the kernel has neither wall, so that a child could do this."""
    ours = scratch_dir.ScratchDir()
    before = Path(ours.path)
    ours.reset()
    assert Path(ours.path) == before
    if deed == "nested":
        (before / "a" / "b").mkdir(parents=True)
    elif deed == "unreadable":
        before.chmod(0)
    else:
        (before / "x").touch()
        (before / "x").unlink()
    ours.reset()
    assert Path(ours.path) != before
    assert not before.exists()
    ours.remove()
    assert not Path(ours.path).exists()


@LANDLOCKED
@pytest.mark.skipif(landlock.abi() < 4, reason="Landlock of this kernel knows no TCP")
def test_tcp_is_shut(hostile: Runner) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        refused(hostile, f"import socket; socket.create_connection(('127.0.0.1', {port}), timeout=5)")


@FILTERED
@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
        "import socket; socket.socket(socket.AF_UNIX)",
        "import socket; socket.socket(socket.AF_INET6)",
        "import os, socket; socket.socket(fileno=os.dup(3)).connect('/run/x')",
        "import os; os.fork()",
        "import os; os.posix_spawn('/bin/true', ['true'], {})",
        "import subprocess; subprocess.run(['/bin/true'])",
        "import os; os.execv('/bin/true', ['true'])",
        "import os; os.chmod('.', 0)",
        "import os; os.pidfd_open(os.getppid())",
    ],
)
def test_sockets_and_processes_are_shut(hostile: Runner, code: str) -> None:
    refused(hostile, code)


@FILTERED
@pytest.mark.parametrize("call", ["ptrace", "process_vm_readv", "pidfd_getfd", "io_uring_setup", "tkill", "unshare"])
def test_calls_that_python_has_no_name_for(hostile: Runner, call: str) -> None:
    number = seccomp.REFUSED[call][seccomp.ARCHITECTURES[os.uname().machine].column]
    code = f"import ctypes; c = ctypes.CDLL(None, use_errno=True); answer = (c.syscall({number}, 0, 0, 0, 0, 0, 0), "
    assert trace(hostile, code + "ctypes.get_errno())") == "(-1, 1)"


@FILTERED
def test_nobody_else_can_be_signalled_or_limited(hostile: Runner) -> None:
    for pid in (os.getpid(), hostile.pid, -1, -os.getpid()):  # type: ignore[attr-defined]
        refused(hostile, f"import os; os.kill({pid}, 0)")
        refused(hostile, f"import resource; resource.prlimit({pid}, resource.RLIMIT_CPU, (1, 1))")
    assert trace(hostile, "import os; answer = os.kill(os.getpid(), 0)") == "None"


@FILTERED
def test_nobody_else_can_be_made_slow(hostile: Runner) -> None:
    """By calls that would change nothing, were they let through."""
    column = seccomp.ARCHITECTURES[os.uname().machine].column
    for pid in (os.getpid(), hostile.pid):  # type: ignore[attr-defined]
        refused(hostile, f"import os; os.setpriority(os.PRIO_PROCESS, {pid}, 0)")
        refused(hostile, f"import os; os.sched_setaffinity({pid}, {os.sched_getaffinity(0)})")
        refused(hostile, f"import os; os.sched_setscheduler({pid}, os.SCHED_OTHER, os.sched_param(0))")
        refused(hostile, f"import os; os.sched_setparam({pid}, os.sched_param(0))")
        for numbers, arguments in (((251, 30), f"1, {pid}, 0"), ((314, 274), f"{pid}, None, 0")):
            code = "import ctypes; c = ctypes.CDLL(None, use_errno=True); "
            code += f"answer = (c.syscall({numbers[column]}, {arguments}), ctypes.get_errno())"
            assert trace(hostile, code) == "(-1, 1)", code
    refused(hostile, "import os; os.setpriority(os.PRIO_USER, os.getuid(), 0)")
    for own in ("0", "os.getpid()"):
        code = f"import os; answer = os.sched_setaffinity({own}, os.sched_getaffinity(0))"
        assert trace(hostile, code) == "None"


@FILTERED
def test_threads_go_on(hostile: Runner) -> None:
    code = "import threading; t = threading.Thread(target=lambda: out.append(1)); out = []; t.start(); t.join(); "
    assert trace(hostile, code + "answer = out") == "[1]"


def test_aer_uses_its_threads_behind_the_walls(runner: Runner) -> None:
    """18 qubits: above the size from which Aer divides a statevector among threads."""
    wide = BELL.replace("[2];c", "[18];c").replace("cx q[0],q[1];", "cx q[0],q[1];t q;h q;")
    report, end = in_child(runner, wide.replace("measure q->c", "measure q[0]->c[0];measure q[1]->c[1]"))
    assert report is not None, end
    assert report.result.error is None, report.trace


def test_what_holds_is_said_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def described(version: int, *, filters: bool) -> str:
        monkeypatch.setattr(landlock, "abi", lambda: version)
        monkeypatch.setattr(seccomp, "available", lambda: filters)
        return limits.describe()

    assert described(7, filters=True) == "landlock-7+seccomp"
    assert described(4, filters=False) == "landlock-4"
    assert described(0, filters=True) == "seccomp"
    assert described(0, filters=False) == "none"


def decide(code: bytes, number: int, *arguments: int, machine: int) -> int:
    """What the filter answers: the few instructions that it uses, carried out."""
    data = struct.pack("<IIQ6Q", number, machine, 0, *arguments, *[0] * (6 - len(arguments)))
    at = value = 0
    while True:
        operation, yes, no, operand = struct.unpack_from("HBBI", code, at * 8)
        at += 1
        if operation == seccomp.RETURN:
            return operand
        if operation == seccomp.LOAD:
            (value,) = struct.unpack_from("<I", data, operand)
            continue
        holds = {
            seccomp.EQUAL: value == operand,
            seccomp.AT_LEAST: value >= operand,
            seccomp.ANY_BIT: bool(value & operand),
        }[operation]
        at += yes if holds else no


@pytest.mark.parametrize("name", list(seccomp.ARCHITECTURES))
def test_the_filter_of_each_machine(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = seccomp.ARCHITECTURES[name]
    uname: Any = type("Uname", (), {"machine": name})
    monkeypatch.setattr(seccomp.os, "uname", lambda: uname)
    seccomp._template.cache_clear()
    code = seccomp.program(4711)
    seccomp._template.cache_clear()

    def answer(number: int, *arguments: int) -> int:
        return decide(code, number, *arguments, machine=machine.audit)

    eperm, enosys = seccomp.REFUSE | 1, seccomp.REFUSE | 38
    refused_numbers = {numbers[machine.column] for numbers in seccomp.REFUSED.values()} - {-1}
    others = {numbers[machine.column] for numbers in seccomp.REFUSED_ON_OTHERS.values()}
    clone, clone3 = seccomp.CLONE[machine.column], seccomp.CLONE3[machine.column]
    assert {answer(number) for number in refused_numbers} == {eperm}
    assert [{answer(number, pid) for number in others} for pid in (4711, 0, 1, 2**32 - 1)] == [
        {seccomp.ALLOW},
        {seccomp.ALLOW},
        {eperm},
        {eperm},
    ]
    assert [answer(clone, flags) for flags in (0x10F00, 17, 0)] == [seccomp.ALLOW, eperm, eperm]
    assert answer(clone3) == enosys
    assert decide(code, 0, machine=1) == eperm
    free = set(range(460)) - refused_numbers - others - {clone, clone3}
    assert {answer(number) for number in free} == {seccomp.ALLOW}
    assert answer(seccomp.X32) == (eperm if machine.x32 else seccomp.ALLOW)
