"""Settings of the REST service: environment variables that begin with QUANTUMJOB_API_."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def in_cluster_url() -> str:
    """The API server as kubelet tells every container."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}" if host else ""


class ServiceSettings(BaseSettings):
    """What an installation may set."""

    model_config = SettingsConfigDict(env_prefix="QUANTUMJOB_API_")

    kubernetes_url: str = Field(default_factory=in_cluster_url)
    kubernetes_ca: Path = Path("/etc/quantumjob/kubernetes/ca.crt")
    """Certificate of the API server's authority."""
    store_dir: Path = Path("/etc/quantumjob/store")
    tls_dir: Path = Path("/etc/quantumjob/tls")
    """Holds tls.crt and tls.key; without them the service speaks plain HTTP, for a proxy beside it."""
    port: int = 8443
    health_port: int = 8080
    max_connections: int = Field(default=512, ge=1)
    """Connections that are open at a time, and so requests; for one more, the one that waits longest for its client is
    closed."""
    max_waiting: int = Field(default=192, ge=1)
    """Requests that wait for a job or follow its events."""
    max_body_bytes: int = Field(default=64 << 20, ge=1)
    """Bytes of all bodies that are in memory at a time."""
