"""Settings of operator and reconciler, from environment variables with the prefix QUANTUMJOB_."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The settings of an installation. Only the worker's image and the URL of the order endpoint have no default."""

    model_config = SettingsConfigDict(env_prefix="QUANTUMJOB_")

    namespaces: str = ""
    """Namespaces to serve, separated by commas; empty for all."""
    worker_image: str = ""
    orders_url: str = ""
    """URL by which workers reach the order endpoint, for example https://quantumjob-operator.NAMESPACE.svc:8443."""
    orders_port: int = 8443
    health_port: int = 8080
    tls_dir: Path = Path("/etc/quantumjob/tls")
    """Directory of tls.crt and tls.key of the order endpoint, and of ca.crt, which workers get."""
    store_dir: Path = Path("/etc/quantumjob/store")
    resync_seconds: float = 120.0
    """Between two comparisons of the cache with a fresh list."""
    sweep_grace_seconds: float = 3600.0
    """Pending objects of finished or deleted QuantumJobs are deleted at this age."""

    workers_max_per_namespace: int = Field(default=4, ge=1)
    """Maximum of shared workers in a namespace."""
    workers_linger_seconds: float = Field(default=30.0, ge=0)
    """How long a shared worker without an order stays. 0: every QuantumJob gets a dedicated Job."""

    @property
    def namespace_list(self) -> list[str]:
        """The namespaces to serve; empty for all."""
        return [part.strip() for part in self.namespaces.split(",") if part.strip()]
