"""The base image of the builds: the Debian or Ubuntu release of this machine, from this machine's mirror."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
from pathlib import Path

from localnode import cached
from localnode.settings import cache
from localnode.shell import CommandError, run

REPOSITORY = "localhost/quantumjob/base"
PACKAGES = "python3,python3-venv,ca-certificates"
_RECIPE = "3"
# Caches, logs and documentation. Most of them differ between two runs with the same packages.
_REMOVED = (
    *("var/cache/apt", "var/cache/debconf", "var/cache/ldconfig", "var/lib/apt/lists", "var/log"),
    *("usr/share/doc", "usr/share/man", "usr/share/locale"),
)
_EPOCH = "0"


def image() -> str:
    """Returns the base image as NAME@DIGEST. Builds it if buildah's store does not have it.

    The digest is a function of the recipe and of the packages' versions in the mirror at the time of the build.
    """
    codename = platform.freedesktop_os_release()["VERSION_CODENAME"]
    version = key(codename)
    name = f"{REPOSITORY}:{version}"
    if not _digest(name):
        what = f"debootstrap of {codename} (1 minute)"
        folder = cached.folder(f"base/{version}", what, lambda target: _build_root(codename, target))
        container = run("buildah", "from", "scratch").strip()
        run("buildah", "add", "--quiet", container, folder / "root.tar", "/")
        run("buildah", "config", "--cmd", "/bin/sh", container)
        run("buildah", "commit", "--quiet", "--rm", "--timestamp", _EPOCH, container, name)
    return f"{REPOSITORY}@{_digest(name)}"


def key(codename: str) -> str:
    """Returns the tag of the base image. It does not depend on the mirror, since mirrors have the same content."""
    return f"{codename}-{hashlib.sha256(f'{codename} {PACKAGES} {_RECIPE}'.encode()).hexdigest()[:8]}"


def mirror(targets: str, codename: str) -> str:
    """Returns the mirror of a release, from rows of `CODENAME SITE` as apt prints them."""
    for row in targets.splitlines():
        name, _, site = row.partition(" ")
        if name == codename:
            return site
    raise CommandError(f"apt knows no mirror for {codename}. Run apt-get update.")


def _digest(name: str) -> str:
    return run("buildah", "inspect", "--type", "image", "--format", "{{.FromImageDigest}}", name, check=False).strip()


def _build_root(codename: str, target: Path) -> None:
    root = target / "root"
    rows = run("apt-get", "indextargets", "--format", "$(CODENAME) $(SITE)", "Created-By: Packages")
    command = ("debootstrap", "--variant=minbase", f"--include={PACKAGES}", codename, root, mirror(rows, codename))
    # The date in /etc/shadow.
    run(*command, env=os.environ | {"SOURCE_DATE_EPOCH": _EPOCH}, log=cache() / "logs/debootstrap.log")
    for name in _REMOVED:
        shutil.rmtree(root / name, ignore_errors=True)
        (root / name).mkdir(parents=True)
    # debootstrap copies those of the machine.
    (root / "etc/resolv.conf").write_text("")
    (root / "etc/hostname").write_text("localhost\n")
    # Mount points for the machine's pip settings and cache during builds. Images contain only the empty ones.
    (root / "etc/pip.conf").touch()
    (root / "var/cache/pip").mkdir()
    versions = run("dpkg-query", f"--admindir={root}/var/lib/dpkg", "--show")
    (target / "packages.txt").write_text(versions)
    # All file times become the same. Python would then ignore .pyc files that it checks by their source's time.
    libraries = [f"/{path.relative_to(root)}" for path in (root / "usr/lib").glob("python3*")]
    compile_all = ("python3", "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash", *libraries)
    run("chroot", root, *compile_all)
    tar = ("tar", "--create", "--numeric-owner", "--one-file-system", "--sort=name", f"--mtime=@{_EPOCH}")
    run(*tar, "-C", root, "-f", target / "root.tar", ".")
    shutil.rmtree(root)
