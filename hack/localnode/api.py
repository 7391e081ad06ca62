"""Sends the requests that starting a node needs, with the standard library only."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from typing import Any

from localnode.settings import API_PORT, NODE_IP, PKI
from localnode.shell import CommandError

# Requests to the node do not go through a proxy of the environment.
_DIRECT = urllib.request.ProxyHandler({})


def get(path: str) -> Any:
    """Returns the object at an API path, or None if it does not exist or the server does not answer."""
    try:
        return json.loads(_request("GET", path))
    except (OSError, ValueError):
        return None


def ready() -> bool:
    """Returns True if the API server is ready."""
    try:
        return _request("GET", "/readyz") == b"ok"
    except (OSError, ssl.SSLError):
        return False


def apply(path: str, content: dict[str, Any]) -> None:
    """Applies an object (server-side apply). Raises CommandError if the API server rejects it."""
    try:
        _request("PATCH", f"{path}?fieldManager=localnode&force=true", json.dumps(content).encode())
    except urllib.error.HTTPError as error:
        raise CommandError(f"the API server rejected {path}: {error.read().decode()[:500]}") from error


def plain(url: str) -> str:
    """Returns the body of a plain HTTP response from the node, or "" without a successful one."""
    try:
        with urllib.request.build_opener(_DIRECT).open(url, timeout=2) as response:
            return str(response.read().decode())
    except OSError:
        return ""


def _request(method: str, path: str, body: bytes | None = None) -> bytes:
    context = ssl.create_default_context(cafile=str(PKI / "ca.crt"))
    context.load_cert_chain(PKI / "admin.crt", PKI / "admin.key")
    opener = urllib.request.build_opener(_DIRECT, urllib.request.HTTPSHandler(context=context))
    headers = {"Content-Type": "application/apply-patch+yaml"} if body else {}
    request = urllib.request.Request(f"https://{NODE_IP}:{API_PORT}{path}", body, headers, method=method)
    with opener.open(request, timeout=10) as response:
        return bytes(response.read())
