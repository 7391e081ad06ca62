"""Debian packages: installed where their command is missing, and recorded, so that a purge removes only these."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from localnode.settings import cache
from localnode.shell import CommandError, run, step

CNI_PLUGINS = Path("/usr/lib/cni")

# The file that is needed, and the package that has it. containerd and runc may be installed from Docker's own packages,
# which conflict with Debian's.
NODE = {
    "containerd": "containerd",
    "runc": "runc",
    str(CNI_PLUGINS / "portmap"): "containernetworking-plugins",
    "iptables": "iptables",
    "ip": "iproute2",
    "openssl": "openssl",
    "catatonit": "catatonit",
}
BUILDS = {
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "/etc/containers/policy.json": "golang-github-containers-common",
}

_NO_SERVICES = Path("/usr/sbin/policy-rc.d")


def missing(needed: dict[str, str]) -> list[str]:
    """Returns the packages whose command or file does not exist."""
    return sorted({name for what, name in needed.items() if not _exists(what)})


def ensure() -> None:
    """Installs the packages of NODE and BUILDS that are missing."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / ".packages.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        names = missing(NODE | BUILDS)
        if names:
            _install(names)


def installed_here() -> list[str]:
    """Returns the packages that `ensure` installed, with their dependencies."""
    record = _record()
    return record.read_text().split() if record.exists() else []


def remove_installed() -> None:
    """Removes the packages that `ensure` installed."""
    names = sorted(_installed() & set(installed_here()))
    if names:
        with step(f"removing the {len(names)} packages that the node installed"):
            # dpkg, unlike apt-get, keeps a package that another package has come to need.
            run("dpkg", "--purge", *names, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, check=False)


def _install(names: list[str]) -> None:
    if shutil.which("apt-get") is None:
        raise CommandError("apt-get is not installed. Use Debian or Ubuntu, or set KUBECONFIG to use another cluster.")
    log = cache() / "logs/apt.log"
    with step(f"installing {' '.join(names)}"), _no_services():
        before = _installed()
        run("apt-get", "update", "-q", log=log)
        # --no-remove: the user's packages stay, or the installation fails.
        command = ("apt-get", "install", "-q", "-y", "--no-install-recommends", "--no-remove", *names)
        try:
            # An interrupted dpkg would need a repair by hand.
            run(*command, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, log=log, stoppable=False)
        finally:
            _remember(_installed() - before)


def _exists(what: str) -> bool:
    return Path(what).exists() if what.startswith("/") else shutil.which(what) is not None


def _installed() -> set[str]:
    rows = run("dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package}\n").splitlines()
    return {row.split()[1] for row in rows if row.startswith("ii")}


def _record() -> Path:
    return cache() / "installed-packages"


def _remember(names: Iterable[str]) -> None:
    _record().parent.mkdir(parents=True, exist_ok=True)
    _record().write_text("".join(f"{name}\n" for name in sorted({*installed_here(), *names})))


@contextlib.contextmanager
def _no_services() -> Iterator[None]:
    """Keeps Debian from starting its own containerd service on installation."""
    if _NO_SERVICES.exists():
        yield
        return
    _NO_SERVICES.write_text("#!/bin/sh\nexit 101\n")
    _NO_SERVICES.chmod(0o755)
    try:
        yield
    finally:
        _NO_SERVICES.unlink(missing_ok=True)
