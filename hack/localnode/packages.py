"""Debian packages: installed where their command is missing, and remembered, so that a purge takes away just these."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from localnode.settings import cache
from localnode.shell import CommandError, run, step

CNI_PLUGINS = Path("/usr/lib/cni")

# By the file that is needed, not by the package: containerd and runc may be there as Docker's own packages,
# which Debian's would push out.
NODE = {
    "etcd": "etcd-server",
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
    """The packages whose command or file is not there."""
    return sorted({name for what, name in needed.items() if not _there(what)})


def ensure(needed: dict[str, str]) -> None:
    """Install what is missing."""
    names = missing(needed)
    if not names:
        return
    if shutil.which("apt-get") is None:
        raise CommandError("this needs Debian or Ubuntu; elsewhere, set KUBECONFIG to use another cluster")
    log = cache() / "logs/apt.log"
    with step(f"installing {' '.join(names)}"), _no_services():
        before = _installed()
        run("apt-get", "update", "-q", log=log)
        # --no-remove: a package that would push out one of the user's is refused.
        install = ("apt-get", "install", "-q", "-y", "--no-install-recommends", "--no-remove")
        try:
            run(*install, *names, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, log=log)
        finally:
            _remember(_installed() - before)


def installed_here() -> list[str]:
    """The packages that `ensure` brought, with those that they depend on."""
    record = _record()
    return record.read_text().split() if record.exists() else []


def remove_installed() -> None:
    """Take away what `ensure` brought."""
    names = sorted(_installed() & set(installed_here()))
    if names:
        with step(f"removing {len(names)} packages that this brought"):
            # Not apt-get: dpkg leaves what a package of somebody else's has come to need.
            run("dpkg", "--purge", *names, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, check=False)


def _there(what: str) -> bool:
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
    """Where systemd runs, Debian would start a second etcd and containerd at once."""
    if _NO_SERVICES.exists():
        yield
        return
    _NO_SERVICES.write_text("#!/bin/sh\nexit 101\n")
    _NO_SERVICES.chmod(0o755)
    try:
        yield
    finally:
        _NO_SERVICES.unlink(missing_ok=True)
