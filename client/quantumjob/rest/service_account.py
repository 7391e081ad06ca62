"""Reads the service account that Kubernetes mounts into a pod."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Final

import httpx

ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SYSTEM: Final = "quantumjob-system"
SERVICE: Final = f"https://quantumjob-api.{SYSTEM}.svc"
PUBLISHED: Final = f"/api/v1/namespaces/{SYSTEM}/configmaps/quantumjob-api-ca"
"""Readable by every authenticated user of the cluster."""


class ServiceAccount:
    """The mounted files. kubelet renews the token, so it is read on each use."""

    def __init__(self, mounted: Path = ACCOUNT) -> None:
        self._mounted = mounted

    @property
    def namespace(self) -> str:
        return (self._mounted / "namespace").read_text().strip()

    def token(self) -> str:
        return (self._mounted / "token").read_text().strip()

    def authority(self) -> str | None:
        """Returns the authority of the service's certificate: that which the installation publishes, else OpenShift's,
        else None."""
        return self._published() or self._mounted_authority()

    def _mounted_authority(self) -> str | None:
        mounted = self._mounted / "service-ca.crt"
        return mounted.read_text() if mounted.exists() else None

    def _published(self) -> str | None:
        host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
        if not host:
            return None
        server = f"[{host}]" if ":" in host else host
        trust = ssl.create_default_context(cafile=str(self._mounted / "ca.crt"))
        headers = {"Authorization": f"Bearer {self.token()}"}
        try:
            answer = httpx.get(f"https://{server}:{port}{PUBLISHED}", headers=headers, verify=trust, timeout=10)
        except httpx.TransportError:
            return None
        return str(answer.json()["data"]["ca.crt"]) if answer.status_code == 200 else None
