"""Options that precede the command, and the client that they configure."""

from __future__ import annotations

from typing import Final, NamedTuple

import httpx

from quantumjob.client import Client

PATIENCE_SECONDS: Final = 5.0
"""Shorter than a program's: a person waits."""


class ConnectionOptions(NamedTuple):
    """Options of the connection."""

    url: str | None = None
    ca: str | None = None
    transport: httpx.BaseTransport | None = None

    def client(self, namespace: str | None) -> Client:
        """Returns a client. Raises NotConfigured."""
        return Client(self.url, ca=self.ca, namespace=namespace, transport=self.transport, patience=PATIENCE_SECONDS)
