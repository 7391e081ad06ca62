"""Settings of operator and reconciler: environment variables that begin with QUANTUMJOB_."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What an installation may set. Everything has a default but the worker's image and the order endpoint's URL."""

    model_config = SettingsConfigDict(env_prefix="QUANTUMJOB_")

    namespaces: str = ""
    """Namespaces to serve, separated by commas; empty for all."""
    worker_image: str = ""
    orders_url: str = ""
    """URL by which workers reach the order endpoint, for example https://quantumjob-operator.NAMESPACE.svc:8443."""
    orders_port: int = 8443
    health_port: int = 8080
    tls_dir: Path = Path("/etc/quantumjob/tls")
    """Holds tls.crt and tls.key of the order endpoint and ca.crt, which travels to the workers."""
    store_dir: Path = Path("/etc/quantumjob/store")
    resync_seconds: float = 120.0
    """Between two comparisons of the watched state with a fresh list."""
    sweep_grace_seconds: float = 3600.0
    """Age from which pending objects of finished or deleted QuantumJobs are removed."""

    workers_max_per_namespace: int = Field(default=4, ge=1)
    """Shared workers that one namespace may have at a time."""
    workers_linger_seconds: float = Field(default=30.0, ge=0)
    """How long a shared worker without an order stays. 0: every QuantumJob gets a Job of its own."""

    @property
    def namespace_list(self) -> list[str]:
        """The namespaces to serve; empty for all."""
        return [part.strip() for part in self.namespaces.split(",") if part.strip()]
