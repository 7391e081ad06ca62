"""The client that a command uses."""

from __future__ import annotations

from typing import Final, NamedTuple

import httpx

from quantumjob.client import Client

PATIENCE_SECONDS: Final = 5.0
"""A person looks on."""


class ConnectionOptions(NamedTuple):
    """What was given before the command's name."""

    url: str | None = None
    ca: str | None = None
    transport: httpx.BaseTransport | None = None

    def client(self, namespace: str | None) -> Client:
        """Raises NotConfigured."""
        return Client(self.url, ca=self.ca, namespace=namespace, transport=self.transport, patience=PATIENCE_SECONDS)
