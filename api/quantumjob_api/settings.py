"""Reads the settings of the REST service from environment variables with the prefix QUANTUMJOB_API_."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def in_cluster_url() -> str:
    """URL of the API server, from the variables that kubelet sets in every container."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}" if host else ""


class ServiceSettings(BaseSettings):
    """Everything that an installation can set."""

    model_config = SettingsConfigDict(env_prefix="QUANTUMJOB_API_")

    kubernetes_url: str = Field(default_factory=in_cluster_url)
    kubernetes_ca: Path = Path("/etc/quantumjob/kubernetes/ca.crt")
    """CA certificate of the API server."""
    store_dir: Path = Path("/etc/quantumjob/store")
    tls_dir: Path = Path("/etc/quantumjob/tls")
    """Directory of tls.crt and tls.key. Without them the service speaks plain HTTP, for a proxy in the same pod."""
    port: int = 8443
    health_port: int = 8080
    max_connections: int = Field(default=512, ge=1)
    """Open connections, each with one request at a time. For a further connection, the one that waits longest for its
    client is closed."""
    max_waiting: int = Field(default=192, ge=1)
    """Long polls and event streams at a time; half of them for one namespace."""
    max_body_bytes: int = Field(default=64 << 20, ge=1)
    """Bytes of all JSON bodies in memory at a time, with their parsed form; half of them for one namespace."""
