"""pip inside a build: as on the machine, by mounts that no image keeps."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localnode.settings import cache
from localnode.shell import run

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
CACHE = "/var/cache/pip"
# Where packages come from. Not where they go: that is the image's affair.
_SOURCES = (
    "default-timeout",
    "disable-pip-version-check",
    "extra-index-url",
    "find-links",
    "index-url",
    "no-index",
    "proxy",
    "retries",
    "timeout",
    "trusted-host",
)


@dataclass(frozen=True)
class Mount:
    """A file or folder of the machine, seen by a build."""

    source: Path
    target: str
    writable: bool = False

    @property
    def option(self) -> str:
        """For `buildah bud`."""
        return f"--volume={self.source}:{self.target}" + ("" if self.writable else ":ro")


def mounts() -> list[Mount]:
    """The machine's certificates, its pip settings, and a cache that outlives builds."""
    settings = settings_of(run(sys.executable, "-m", "pip", "config", "list", check=False))
    folder = cache() / "pip"
    folder.mkdir(parents=True, exist_ok=True)
    config = cache() / "pip.conf"
    config.write_text(pip_conf(settings))
    wheels = [Path(path) for path in settings.get("find-links", "").split() if Path(path).is_dir()]
    return [
        Mount(_bundle(os.environ), BUNDLE),
        Mount(config, "/etc/pip.conf"),
        Mount(folder, CACHE, writable=True),
        *(Mount(path, str(path)) for path in wheels),
    ]


def settings_of(listed: str) -> dict[str, str]:
    """From the output of `pip config list`, the settings that say where packages come from.

    The environment's come last in it and win, as they do in pip.
    """
    found: dict[str, str] = {}
    for row in listed.splitlines():
        key, _, value = row.partition("=")
        name = key.rpartition(".")[2]
        if name in _SOURCES:
            found[name] = str(ast.literal_eval(value)).strip()
    return found


def pip_conf(settings: Mapping[str, str]) -> str:
    """The settings as a pip.conf for the inside of a build."""
    rows = {**settings, "cert": BUNDLE, "cache-dir": CACHE}
    indented = {name: value.replace("\n", "\n    ") for name, value in rows.items()}
    return "[global]\n" + "".join(f"{name} = {value}\n" for name, value in sorted(indented.items()))


def _bundle(environment: Mapping[str, str]) -> Path:
    named = (environment.get(name) for name in ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"))
    return next((Path(path) for path in named if path and Path(path).is_file()), Path(BUNDLE))
