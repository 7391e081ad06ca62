"""The Kubernetes API as plain JSON, each call with the caller's token. There is no other token in this process."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Final, Literal

import aiohttp
import msgspec

from quantumjob_api.problems import ApiProblem, ProblemReason, of_kubernetes
from quantumjob_contract import names

JSON = dict[str, Any]
FIELD_MANAGER: Final = "quantumjob-api"
TABLE: Final = "application/json;as=Table;g=meta.k8s.io;v=v1"
REVIEWS: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
REQUEST_SECONDS: Final = 30
CONNECTIONS: Final = 64
LINE_BYTES: Final = 1 << 20
"""Twice this is the longest line of a watch that aiohttp takes, and all that it reads ahead; etcd takes an object of
1.5 MiB."""
WAITER_BYTES: Final = 64 * 1024
MOST_WAITERS: Final = 3
LIST_BYTES: Final = 16 << 20
"""Of a list: the API server sends annotations along, with what kubectl keeps in them."""
EXPIRED: Final = 410


def path(namespace: str, name: str = "") -> str:
    """The path of a namespace's QuantumJobs, or of one."""
    whole = f"/apis/{names.API_VERSION}/namespaces/{namespace}/{names.PLURAL}"
    return f"{whole}/{name}" if name else whole


class AnswerTooLarge(ApiProblem):
    """An answer that does not end; whoever asked for a list may ask for a smaller one."""

    def __init__(self) -> None:
        super().__init__(ProblemReason.KUBERNETES_UNAVAILABLE, "The API server's answer is too large: try again.")


def without_program(quantumjob: JSON) -> JSON:
    """A QuantumJob without its program, of which kubectl keeps a second copy in an annotation.

    Whoever waits holds this, and not two mebibytes.
    """
    meta = {key: value for key, value in quantumjob["metadata"].items() if key not in {"annotations", "managedFields"}}
    spec = {key: value for key, value in quantumjob["spec"].items() if key != "program"}
    return {**quantumjob, "metadata": meta, "spec": spec}


def waiter_cost(quantumjob: JSON) -> int:
    """How many waiters of small jobs it costs to wait for this one: each change of it comes whole, for a moment."""
    return 1 + min(MOST_WAITERS, len(msgspec.json.encode(quantumjob)) // WAITER_BYTES)


class CallerClient:
    """The calls that the service makes. Each raises Problem; a list may be TooMuch."""

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
        except msgspec.DecodeError:  # whoever said this, it was no API server
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
        """QuantumJobs as a table of what `kubectl get` shows: small, however large their circuits are."""
        return await self.request(token, "GET", path(namespace), query=query, accept=TABLE)

    async def require(self, token: str, namespace: str, verb: Literal["get", "list", "create"]) -> None:
        """Raises Problem unless the caller may do this to the namespace's QuantumJobs."""
        attributes = {"namespace": namespace, "verb": verb, "group": names.GROUP, "resource": names.PLURAL}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        review = await self.request(token, "POST", REVIEWS, body)
        if review.get("status", {}).get("allowed") is not True:
            raise of_kubernetes(403, "")

    async def changes(
        self, token: str, namespace: str, name: str, version: str, seconds: float
    ) -> AsyncGenerator[JSON, None]:
        """What a watch tells of one QuantumJob after this version: {"type", "object"}, light, until the time is over.

        Ends early where the version is too old, or the API server ends it: then ask for the object again.
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
            raise ApiProblem(
                ProblemReason.KUBERNETES_UNAVAILABLE, "The API server has ended the watch: ask again."
            ) from None


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Raises TooMuch."""
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > LIST_BYTES:
            raise AnswerTooLarge
    return bytes(data)


def _event(line: bytes) -> JSON | None:
    """Of a line of a watch; None where it has ended."""
    event: JSON = msgspec.json.decode(line) if line else {"type": "ERROR"}
    return None if event["type"] == "ERROR" else {"type": event["type"], "object": without_program(event["object"])}


def _session(url: str, context: ssl.SSLContext | None, limit: int, total: float | None) -> aiohttp.ClientSession:
    """No cookie is kept: it could be another caller's."""
    connector = aiohttp.TCPConnector(limit=limit) if context is None else aiohttp.TCPConnector(ssl=context, limit=limit)
    timeout = aiohttp.ClientTimeout(total=total, sock_connect=5.0)
    jar = aiohttp.DummyCookieJar()
    return aiohttp.ClientSession(url, connector=connector, timeout=timeout, cookie_jar=jar, read_bufsize=LINE_BYTES)


def _message(data: bytes) -> str:
    """The API server's own sentence."""
    try:
        return str(msgspec.json.decode(data)["message"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return "The API server refuses it."
