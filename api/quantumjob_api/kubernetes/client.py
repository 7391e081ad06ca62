"""Calls the Kubernetes API as plain JSON, with the caller's token. This process has no other token."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Final, Literal

import aiohttp
import msgspec

from quantumjob_api.problems import ApiProblem, ApiReason, of_kubernetes
from quantumjob_contract import names

JSON = dict[str, Any]
FIELD_MANAGER: Final = "quantumjob-api"
TABLE: Final = "application/json;as=Table;g=meta.k8s.io;v=v1"
REVIEWS: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
REQUEST_SECONDS: Final = 30
CONNECTIONS: Final = 64
LINE_BYTES: Final = 1 << 20
"""aiohttp buffers up to twice this, and takes no longer line of a watch. An object in etcd has at most 1.5 MiB."""
WAITER_BYTES: Final = 64 * 1024
MAX_EXTRA_WAITERS: Final = 3
RESPONSE_BYTES: Final = 16 << 20
"""Of a response. A list has the annotations of its objects, where kubectl keeps whole programs."""
EXPIRED: Final = 410


def path(namespace: str, name: str = "") -> str:
    """The path of a namespace's QuantumJobs, or of one of them."""
    whole = f"/apis/{names.API_VERSION}/namespaces/{namespace}/{names.PLURAL}"
    return f"{whole}/{name}" if name else whole


class ResponseTooLarge(ApiProblem):
    """A response above RESPONSE_BYTES. The caller may request a shorter list."""

    def __init__(self) -> None:
        super().__init__(ApiReason.KUBERNETES_UNAVAILABLE, "The response is too large: request a shorter list.")


def without_program(quantumjob: JSON) -> JSON:
    """A QuantumJob without its program, and without annotations, where kubectl keeps a copy of it."""
    meta = {key: value for key, value in quantumjob["metadata"].items() if key not in {"annotations", "managedFields"}}
    spec = {key: value for key, value in quantumjob["spec"].items() if key != "program"}
    return {**quantumjob, "metadata": meta, "spec": spec}


def waiter_cost(quantumjob: JSON) -> int:
    """The share of the waiting quota: more for a large job, which the watch sends whole at each change."""
    return 1 + min(MAX_EXTRA_WAITERS, len(msgspec.json.encode(quantumjob)) // WAITER_BYTES)


class CallerClient:
    """The calls of the service. Each raises ApiProblem; a list may raise ResponseTooLarge."""

    def __init__(self, url: str, ca: Path | None) -> None:
        context = ssl.create_default_context(cafile=str(ca)) if ca else None
        self._session = _session(url, context, CONNECTIONS, REQUEST_SECONDS)
        self._watching = _session(url, context, 0, None)

    async def close(self) -> None:
        await self._session.close()
        await self._watching.close()

    async def request(
        self,
        token: str,
        method: str,
        where: str,
        body: JSON | None = None,
        query: dict[str, str] | None = None,
        *,
        accept: str = "application/json",
        content: str = "application/json",
    ) -> JSON:
        headers = {"Authorization": f"Bearer {token}", "Accept": accept, "Content-Type": content}
        data = msgspec.json.encode(body) if body is not None else None
        try:
            async with self._session.request(method, where, params=query, data=data, headers=headers) as response:
                answer = await _read(response)
        except (aiohttp.ClientError, TimeoutError):
            raise of_kubernetes(0, "") from None
        if response.status >= 300:
            raise of_kubernetes(response.status, _message(answer), response.headers.get("Retry-After"))
        try:
            decoded: JSON = msgspec.json.decode(answer)
        except msgspec.DecodeError:  # not from an API server, but from a proxy before it
            raise of_kubernetes(0, "") from None
        return decoded

    async def get(self, token: str, namespace: str, name: str) -> JSON:
        return await self.request(token, "GET", path(namespace, name))

    async def create(self, token: str, namespace: str, body: JSON) -> JSON:
        query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
        return await self.request(token, "POST", path(namespace), body, query)

    async def cancel(self, token: str, namespace: str, name: str) -> JSON:
        query = {"fieldManager": FIELD_MANAGER}
        body = {"spec": {"cancel": True}}
        where = path(namespace, name)
        return await self.request(token, "PATCH", where, body, query, content="application/merge-patch+json")

    async def delete(self, token: str, namespace: str, name: str) -> None:
        await self.request(token, "DELETE", path(namespace, name))

    async def table(self, token: str, namespace: str, query: dict[str, str]) -> JSON:
        """QuantumJobs as a Table with the columns of `kubectl get`, which has no circuits."""
        return await self.request(token, "GET", path(namespace), query=query, accept=TABLE)

    async def require(self, token: str, namespace: str, verb: Literal["get", "list", "create"]) -> None:
        """Raises ApiProblem (Forbidden) unless the caller may do this to the namespace's QuantumJobs."""
        attributes = {"namespace": namespace, "verb": verb, "group": names.GROUP, "resource": names.PLURAL}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        review = await self.request(token, "POST", REVIEWS, body)
        if review.get("status", {}).get("allowed") is not True:
            raise of_kubernetes(403, "")

    async def watch(
        self, token: str, namespace: str, name: str, version: str, seconds: float
    ) -> AsyncGenerator[JSON, None]:
        """Watches one QuantumJob from a version on: {"type", "object"} without its program, for these seconds.

        Ends early if the version is too old, or if the API server ends the watch: then get the object again.
        """
        query = {
            "watch": "true",
            "fieldSelector": f"metadata.name={name}",
            "resourceVersion": version,
            "timeoutSeconds": str(max(1, int(seconds))),
        }
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        try:
            async with self._watching.get(path(namespace), params=query, headers=headers) as response:
                if response.status == EXPIRED:
                    return
                if response.status >= 300:
                    raise of_kubernetes(response.status, _message(await response.read()))
                while event := _event(await response.content.readline()):
                    yield event
        except (aiohttp.ClientError, TimeoutError, ValueError, msgspec.DecodeError):
            raise ApiProblem(ApiReason.KUBERNETES_UNAVAILABLE, "The API server ended the watch: try again.") from None


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body. Raises ResponseTooLarge."""
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > RESPONSE_BYTES:
            raise ResponseTooLarge
    return bytes(data)


def _event(line: bytes) -> JSON | None:
    """The event in a line of a watch; None at its end."""
    event: JSON = msgspec.json.decode(line) if line else {"type": "ERROR"}
    return None if event["type"] == "ERROR" else {"type": event["type"], "object": without_program(event["object"])}


def _session(url: str, context: ssl.SSLContext | None, limit: int, total: float | None) -> aiohttp.ClientSession:
    """A session without cookies: they could be another caller's."""
    connector = aiohttp.TCPConnector(limit=limit) if context is None else aiohttp.TCPConnector(ssl=context, limit=limit)
    timeout = aiohttp.ClientTimeout(total=total, sock_connect=5.0)
    jar = aiohttp.DummyCookieJar()
    return aiohttp.ClientSession(url, connector=connector, timeout=timeout, cookie_jar=jar, read_bufsize=LINE_BYTES)


def _message(data: bytes) -> str:
    """The message of a Status object."""
    try:
        return str(msgspec.json.decode(data)["message"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return "The API server refused the request."
