"""Clients of the quickstart's REST service, with the rights of accounts."""

from __future__ import annotations

import contextlib
import json
import ssl
from collections.abc import Iterator
from typing import Any

import httpx

import cluster

JSON = dict[str, Any]
SERVICE = "quantumjob-api"


def authority() -> str:
    """The CA certificate of the service, which the quickstart publishes."""
    found = cluster.get("configmaps", "quantumjob-api-ca", cluster.SYSTEM)
    assert found is not None
    text: str = found["data"]["ca.crt"]
    return text


def account(namespace: str, name: str, role: str | None) -> str:
    """Creates a service account with this ClusterRole in the namespace; returns its token."""
    cluster.create("serviceaccounts", namespace, {"metadata": {"name": name}})
    if role is not None:
        binding = {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        }
        cluster.create("rolebindings", namespace, binding)
    return cluster.token(name, namespace)


@contextlib.contextmanager
def connected() -> Iterator[str]:
    """The service's URL on this machine."""
    with cluster.forwarded(f"service/{SERVICE}", 443) as port:
        yield f"https://localhost:{port}"


class Client(httpx.Client):
    """Resolves paths like links: an absolute path starts at the root."""

    def build_request(self, method: str, url: httpx.URL | str, **kwargs: Any) -> httpx.Request:
        return super().build_request(method, self.base_url.join(url), **kwargs)


def client(url: str, namespace: str, token: str | None) -> httpx.Client:
    """A client of the namespace's jobs, circuits and history."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    context = ssl.create_default_context(cadata=authority())
    return Client(base_url=f"{url}/v1/namespaces/{namespace}/", headers=headers, verify=context, timeout=90)


def described(url: str) -> JSON:
    found: JSON = httpx.get(f"{url}/openapi.json", verify=ssl.create_default_context(cadata=authority())).json()
    return found


def of_namespace(schema: JSON, namespace: str) -> JSON:
    """The OpenAPI description with this namespace in every path, so that no other one is tested."""
    paths = {}
    for path, methods in schema["paths"].items():
        for operation in methods.values():
            operation["parameters"] = [each for each in operation["parameters"] if each["name"] != "namespace"]
        paths[path.replace("{namespace}", namespace)] = methods
    return schema | {"paths": paths}


def reason(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.status_code, json.loads(answer.text)["reason"]
