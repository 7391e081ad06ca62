"""Gives pip in an image build the settings of the machine, by mounts that are not part of the image."""

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
# The settings that say where packages come from. Where they are installed is up to the Dockerfile.
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

_UV_VARIABLES = {
    "extra-index-url": "UV_INDEX",
    "index-url": "UV_DEFAULT_INDEX",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
}


@dataclass(frozen=True)
class Mount:
    """A file or folder of the machine that is mounted in a build."""

    source: Path
    target: str
    writable: bool = False

    @property
    def option(self) -> str:
        """Returns the option of `buildah bud`."""
        return f"--volume={self.source}:{self.target}" + ("" if self.writable else ":ro")


def mounts() -> list[Mount]:
    """Returns the mounts: the machine's certificates and pip settings, and a cache that builds share."""
    settings = machine_settings()
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


def machine_settings() -> dict[str, str]:
    """Returns the settings of pip on the machine that say where packages come from."""
    return settings_of(run(sys.executable, "-m", "pip", "config", "list", check=False))


def settings_of(listed: str) -> dict[str, str]:
    """Returns the settings that say where packages come from, from the output of `pip config list`.

    Those of the environment come last and take precedence, as in pip.
    """
    found: dict[str, str] = {}
    for row in listed.splitlines():
        key, _, value = row.partition("=")
        name = key.rpartition(".")[2]
        if name in _SOURCES:
            found[name] = str(ast.literal_eval(value)).strip()
    return found


def uv_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment that gives uv the same settings as pip."""
    found = {variable: settings[name] for name, variable in _UV_VARIABLES.items() if name in settings}
    # uv, unlike pip, fails when a folder does not exist.
    links = [link for link in settings.get("find-links", "").split() if "://" in link or Path(link).is_dir()]
    return {**found, "UV_FIND_LINKS": ",".join(links), "UV_SYSTEM_CERTS": "true"}


def pip_conf(settings: Mapping[str, str]) -> str:
    """Returns the pip.conf for a build."""
    rows = {**settings, "cert": BUNDLE, "cache-dir": CACHE}
    indented = {name: value.replace("\n", "\n    ") for name, value in rows.items()}
    return "[global]\n" + "".join(f"{name} = {value}\n" for name, value in sorted(indented.items()))


def _bundle(environment: Mapping[str, str]) -> Path:
    named = (environment.get(name) for name in ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"))
    return next((Path(path) for path in named if path and Path(path).is_file()), Path(BUNDLE))
