"""A client of the Kubernetes API over kept connections. Answers are bytes or decoded JSON; no object is modelled.

It shares the processors with what the tests and the benchmarks run, so it starts no process and parses only what is
asked for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
import urllib3
from kubernetes import client, config

JSON = dict[str, Any]

CONNECTIONS: Final = 32
SECONDS: Final = 60.0
RETRIES: Final = urllib3.Retry(total=5, status_forcelist=(429,), allowed_methods=None, raise_on_status=False)
"""A busy API server answers 429 with Retry-After; the pause counts as part of the request."""
MERGE: Final = "application/merge-patch+json"
APPLY: Final = "application/apply-patch+yaml"
"""Server-side apply. JSON is YAML."""


class NotFound(RuntimeError):
    """HTTP 404."""


class Api:
    """Sends requests to the API server of a kubeconfig. Safe for use by several threads."""

    def __init__(self, kubeconfig: str) -> None:
        self._configuration = client.Configuration()
        config.load_kube_config(kubeconfig, client_configuration=self._configuration)
        self._configuration.connection_pool_maxsize = CONNECTIONS
        self._http: urllib3.PoolManager = client.ApiClient(self._configuration).rest_client.pool_manager

    def request(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> bytes:
        """Returns the body of the answer. Raises NotFound, or RuntimeError with the server's message."""
        data = None if body is None else msgspec.json.encode(body)
        headers = self._headers({"Content-Type": kind})
        with _reachable(method, path):
            response = self._http.request(
                method, self._configuration.host + path, body=data, headers=headers, timeout=SECONDS, retries=RETRIES
            )
        if response.status >= 300:
            error = NotFound if response.status == 404 else RuntimeError
            raise error(f"{method} {path}: HTTP {response.status}: {response.data[:2000].decode()}")
        return response.data

    def ask(self, method: str, path: str, body: Any = None, **query: str) -> JSON:
        """Returns the answer as decoded JSON."""
        answer: JSON = msgspec.json.decode(self.request(method, with_query(path, query), body))
        return answer

    def lines(self, path: str, seconds: float, **query: str) -> Iterator[bytes]:
        """Yields the lines of an answer that the server ends after about that time, as a watch is."""
        url, headers = self._configuration.host + with_query(path, query), self._headers({})
        with _reachable("GET", path):
            response = self._http.request("GET", url, headers=headers, preload_content=False, timeout=seconds + SECONDS)
            if response.status >= 300:
                raise RuntimeError(f"GET {path}: HTTP {response.status}")
            try:
                yield from response
            finally:
                response.close()  # a reader may stop before the end

    def _headers(self, headers: dict[str, str]) -> dict[str, str]:
        """Adds the bearer token, where the kubeconfig has one. It is read for each request, as it may be renewed."""
        token = self._configuration.get_api_key_with_prefix("authorization")
        return headers | ({"Authorization": token} if token else {})


@contextlib.contextmanager
def _reachable(method: str, path: str) -> Iterator[None]:
    """Raises RuntimeError where the API server cannot be reached."""
    try:
        yield
    except urllib3.exceptions.HTTPError as error:
        raise RuntimeError(f"{method} {path}: {type(error).__name__}") from error


def with_query(path: str, query: Mapping[str, str]) -> str:
    """Appends a query, if there is one."""
    return f"{path}?{urlencode(query)}" if query else path
