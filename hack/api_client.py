"""The Kubernetes API as bytes over kept connections: the client shares the processors with what it measures."""

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
"""A busy API server says when to come again; that time counts."""
MERGE: Final = "application/merge-patch+json"


class Api:
    """Any number of threads may use one."""

    def __init__(self, kubeconfig: str) -> None:
        self._configuration = client.Configuration()
        config.load_kube_config(kubeconfig, client_configuration=self._configuration)
        self._configuration.connection_pool_maxsize = CONNECTIONS
        self._http: urllib3.PoolManager = client.ApiClient(self._configuration).rest_client.pool_manager

    def request(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> bytes:
        """The answer as it came. Raises RuntimeError with the server's own text."""
        data = None if body is None else msgspec.json.encode(body)
        headers = self._headers({"Content-Type": kind})
        with _told(method, path):
            response = self._http.request(
                method, self._configuration.host + path, body=data, headers=headers, timeout=SECONDS, retries=RETRIES
            )
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: HTTP {response.status}: {response.data[:500].decode()}")
        return response.data

    def ask(self, method: str, path: str, body: Any = None, **query: str) -> JSON:
        """The answer as an object."""
        answer: JSON = msgspec.json.decode(self.request(method, _with(path, query), body))
        return answer

    def lines(self, path: str, seconds: float, **query: str) -> Iterator[bytes]:
        """The lines of an answer that the server ends after about that time."""
        url, headers = self._configuration.host + _with(path, query), self._headers({})
        with _told("GET", path):
            response = self._http.request("GET", url, headers=headers, preload_content=False, timeout=seconds + SECONDS)
            if response.status >= 300:
                raise RuntimeError(f"GET {path}: HTTP {response.status}")
            try:
                yield from response
            finally:
                response.release_conn()

    def _headers(self, headers: dict[str, str]) -> dict[str, str]:
        """With the bearer token, where the kubeconfig has one; it may be renewed at any time."""
        token = self._configuration.get_api_key_with_prefix("authorization")
        return headers | ({"Authorization": token} if token else {})


@contextlib.contextmanager
def _told(method: str, path: str) -> Iterator[None]:
    """An API server that cannot be reached, as an error of this module."""
    try:
        yield
    except urllib3.exceptions.HTTPError as error:
        raise RuntimeError(f"{method} {path}: {type(error).__name__}") from error


def _with(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path
