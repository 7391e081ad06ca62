"""Writes requirements/*.txt: all packages of an image or of the development environment, with versions and hashes.

`make lock` runs this. The direct dependencies come from setup.cfg. Packages that a lock already names keep their
version as long as it satisfies setup.cfg; delete the folder first to resolve everything to the newest versions.
"""

from __future__ import annotations

import configparser
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "requirements"
PYTHON = "3.11"
"""The oldest version that the locks hold for; newer ones are covered by markers."""

# Lock: its sources. "" is install_requires and "build" is pyproject.toml; the others are extras of setup.cfg.
# `dev` comes first: the images' locks take their versions from it, so that the tests run what the images run.
LOCKS = {
    "dev": ("", "operator", "worker", "api", "client", "seaweedfs", "installer", "dev"),
    "operator": ("", "operator"),
    "worker": ("", "worker"),
    "api": ("", "api"),
    "notebook": ("", "client", "notebook"),
    "corpus": ("corpus",),
    "qsim": ("qsim",),
    "seaweedfs": ("seaweedfs",),
    "build": ("build",),
    "installer": ("installer",),
}
WITHOUT_DEPENDENCIES = {"qsim"}


def pins(lock: str) -> list[str]:
    """Returns the direct requirements of a lock, such as `minio==7.2.20`."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    sources = {
        "": setup["options"]["install_requires"].strip().splitlines(),
        "build": project["build-system"]["requires"],
        **{name: text.strip().splitlines() for name, text in setup["options.extras_require"].items()},
    }
    return [pin for source in LOCKS[lock] for pin in sources[source]]


def write(lock: str) -> None:
    """Resolves a lock's requirements for every platform and writes its file."""
    command = ["uv", "pip", "compile", "--quiet", "--universal", "--python-version", PYTHON, "--generate-hashes"]
    command += ["--no-strip-extras", "--no-emit-index-url", "--annotation-style", "line"]
    command += ["--custom-compile-command", "make lock"]
    if lock != "dev":
        command += ["--constraint", "requirements/dev.txt"]
    if lock in WITHOUT_DEPENDENCIES:
        command.append("--no-deps")
    command += ["--output-file", f"requirements/{lock}.txt", "-"]
    subprocess.run(command, input="\n".join(pins(lock)), text=True, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in LOCKS:
        write(each)
