"""Image builds: what is rebuilt when, and what pip sees."""

import subprocess
from pathlib import Path

import pytest

from localnode import builds, pip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    for name in ("Dockerfile", "contract/a.py", "docs/b.md", "contract/ignored.pyc"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / ".gitignore").write_text("*.pyc\n")
    (tmp_path / "setup.cfg").write_text("[metadata]\nversion = 1.2.3\n")
    return tmp_path


def test_a_build_sees_sources_and_nothing_else(root: Path) -> None:
    assert builds.inputs(root) == ["Dockerfile", "contract/a.py", "setup.cfg"]


def test_the_key_changes_with_content_name_mode_and_base(root: Path) -> None:
    files = builds.inputs(root)
    keys = {builds.key(root, files, "base"), builds.key(root, files, "other"), builds.key(root, files[1:], "base")}
    (root / "contract/a.py").chmod(0o755)
    keys.add(builds.key(root, files, "base"))
    (root / "contract/a.py").write_text("changed")
    keys.add(builds.key(root, files, "base"))
    assert len(keys) == 5


def test_the_key_is_a_function_of_the_tree(root: Path) -> None:
    first = builds.key(root, builds.inputs(root), "base")
    (root / "docs/b.md").write_text("changed")
    assert builds.key(root, builds.inputs(root), "base") == first


def test_the_name_holds_the_version(root: Path) -> None:
    assert builds.name(root, "worker") == "quantumjob/worker:1.2.3"


def test_pip_settings_of_the_machine_reach_the_build() -> None:
    listed = (
        "global.index-url='https://a.example/simple'\nglobal.target='/x'\n:env:.index-url='https://b.example/simple'\n"
    )
    settings = pip.settings_of(listed)
    assert settings == {"index-url": "https://b.example/simple"}
    assert pip.pip_conf(settings).splitlines() == [
        "[global]",
        "cache-dir = /var/cache/pip",
        "cert = /etc/ssl/certs/ca-certificates.crt",
        "index-url = https://b.example/simple",
    ]


def test_pip_settings_of_the_machine_reach_uv() -> None:
    settings = {"index-url": "https://a.example/simple", "find-links": "/no/such/folder /tmp", "proxy": "x"}
    environment = pip.uv_environment(settings)
    assert environment["UV_DEFAULT_INDEX"] == "https://a.example/simple"
    assert environment["UV_FIND_LINKS"] == "/tmp"
    assert "UV_INDEX" not in environment


def test_mounts_are_read_only_unless_said_otherwise() -> None:
    assert pip.Mount(Path("/a"), "/b").option == "--volume=/a:/b:ro"
    assert pip.Mount(Path("/a"), "/b", writable=True).option == "--volume=/a:/b"
