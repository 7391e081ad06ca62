"""The base image of the builds: Debian or Ubuntu as the machine is, from the machine's own mirror."""

from __future__ import annotations

import hashlib
import platform
import shutil
from collections.abc import Container
from pathlib import Path

from localnode import cached
from localnode.settings import cache
from localnode.shell import CommandError, run

PACKAGES = "python3,python3-venv,ca-certificates"
_RECIPE = "2"
_LEAVINGS = ("var/cache/apt", "var/lib/apt/lists", "var/log", "usr/share/doc", "usr/share/man", "usr/share/locale")


def image(known: Container[str]) -> str:
    """The base image's name, in buildah's store of which `known` names the images; built there if it is missing."""
    codename = platform.freedesktop_os_release()["VERSION_CODENAME"]
    version = key(codename)
    name = f"localhost/quantumjob/base:{version}"
    if name in known:
        return name
    what = f"debootstrap of {codename} (1 minute)"
    folder = cached.folder(f"base/{version}", what, lambda target: _make(codename, target))
    container = run("buildah", "from", "scratch").strip()
    run("buildah", "add", "--quiet", container, folder / "root.tar", "/")
    run("buildah", "config", "--cmd", "/bin/sh", container)
    run("buildah", "commit", "--quiet", "--rm", container, name)
    return name


def key(codename: str) -> str:
    """What the base is a function of; the mirror is not part of it, for mirrors hold the same."""
    return f"{codename}-{hashlib.sha256(f'{codename} {PACKAGES} {_RECIPE}'.encode()).hexdigest()[:8]}"


def mirror(targets: str, codename: str) -> str:
    """The mirror of a suite, from rows of `CODENAME SITE` as apt gives them."""
    for row in targets.splitlines():
        name, _, site = row.partition(" ")
        if name == codename:
            return site
    raise CommandError(f"apt knows no mirror for {codename}: run apt-get update")


def _make(codename: str, target: Path) -> None:
    root = target / "root"
    rows = run("apt-get", "indextargets", "--format", "$(CODENAME) $(SITE)", "Created-By: Packages")
    options = ("--variant=minbase", f"--include={PACKAGES}")
    run("debootstrap", *options, codename, root, mirror(rows, codename), log=cache() / "logs/debootstrap.log")
    for name in _LEAVINGS:
        shutil.rmtree(root / name, ignore_errors=True)
        (root / name).mkdir(parents=True)
    # debootstrap copies the machine's.
    (root / "etc/resolv.conf").write_text("")
    (root / "etc/hostname").write_text("localhost\n")
    # Where the builds mount the machine's pip settings; nothing of them stays.
    (root / "etc/pip.conf").touch()
    (root / "var/cache/pip").mkdir()
    run("tar", "--create", "--numeric-owner", "--one-file-system", "-C", root, "-f", target / "root.tar", ".")
    shutil.rmtree(root)
