"""Reads namespace and token of kubeconfig's current context, the token also from a credential plug-in."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from quantumjob.errors import NotConfigured

JSON = dict[str, Any]
EXPIRY_SLACK: Final = timedelta(seconds=30)
PLUGIN_SECONDS: Final = 60


class Context(NamedTuple):
    """Namespace and user of a context; empty where there is no kubeconfig."""

    namespace: str
    user: JSON
    found: str
    """What was found, for a message."""
    folder: Path = Path()
    """Folder that the file's paths are relative to."""

    def token(self) -> str | Callable[[], str] | None:
        """Returns the user's token, or a function that reads it; None where the user has none."""
        if found := self.user.get("token"):
            return str(found)
        if path := self.user.get("tokenFile"):
            return Path(self.folder, str(path)).read_text
        if plugin := self.user.get("exec"):
            return ExecPlugin(plugin, self.folder)
        return None


def current(environment: Mapping[str, str] = os.environ) -> Context:
    """Returns the current context; as in kubectl, its entries may be in any file. Raises NotConfigured."""
    named = environment.get("KUBECONFIG")
    paths = [Path(part) for part in named.split(os.pathsep) if part] if named else [Path.home() / ".kube" / "config"]
    files = [(path, _read(path)) for path in paths if path.is_file()]
    if not files:
        return Context("default", {}, f"no file {' or '.join(map(str, paths))}")
    name = next((found["current-context"] for _, found in files if found.get("current-context")), None)
    _, context = _named(files, "contexts", "context", name)
    path, user = _named(files, "users", "user", context.get("user"))
    words = f"context {name}" if context else "no current context"
    if user.get("client-certificate-data") or user.get("client-certificate"):
        words += ", whose user has a client certificate and no token"
    elif context:
        words += ", whose user has no token"
    return Context(context.get("namespace") or "default", user, words, path.parent)


def _read(path: Path) -> JSON:
    try:
        found = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        raise NotConfigured(f"The kubeconfig {path} cannot be read.") from None
    return found if isinstance(found, dict) else {}


def _named(files: list[tuple[Path, JSON]], group: str, kind: str, name: object) -> tuple[Path, JSON]:
    for path, found in files:
        for entry in found.get(group) or ():
            if entry.get("name") == name:
                return path, entry.get(kind) or {}
    return files[0][0], {}


class ExecPlugin:
    """A credential plug-in (client.authentication.k8s.io). Runs again when its token is about to expire."""

    def __init__(self, given: JSON, folder: Path) -> None:
        self._given = given
        self._folder = folder
        self._token = ""
        self._until: datetime | None = None

    def __call__(self) -> str:
        """Returns the token. Raises NotConfigured."""
        if not self._token or (self._until is not None and datetime.now(UTC) > self._until - EXPIRY_SLACK):
            status = self._run()
            self._token = str(status.get("token") or "")
            expires = status.get("expirationTimestamp")
            self._until = datetime.fromisoformat(expires) if expires else None
        if not self._token:
            raise NotConfigured(
                f"The plug-in {self._given['command']} of kubeconfig returned no token: run it to see why."
            )
        return self._token

    def _run(self) -> JSON:
        command = str(self._given["command"])
        program = str(self._folder / command) if os.sep in command else command
        info = {"apiVersion": self._given["apiVersion"], "kind": "ExecCredential", "spec": {"interactive": False}}
        more = {each["name"]: each["value"] for each in self._given.get("env") or ()}
        try:
            done = subprocess.run(  # noqa: S603  as kubectl does
                [program, *(self._given.get("args") or ())],
                env={**os.environ, **more, "KUBERNETES_EXEC_INFO": json.dumps(info)},
                stdout=subprocess.PIPE,
                check=True,
                timeout=PLUGIN_SECONDS,
            )
            found = json.loads(done.stdout)["status"]
        except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
            raise NotConfigured(
                f"The plug-in {command} of kubeconfig failed ({type(error).__name__}): run it to see why."
            ) from None
        return found if isinstance(found, dict) else {}
