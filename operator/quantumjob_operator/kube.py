"""The Kubernetes API as plain JSON: a thin shell over kubernetes.aio, whose models cost more than the call."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple, Self

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client.api_client import ApiClient

from quantumjob_contract import names

JSON = dict[str, Any]
FIELD_MANAGER: Final = "quantumjob-operator"
METADATA_ONLY: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
PAGE: Final = 500
REQUEST_SECONDS: Final = 30


class Kind(NamedTuple):
    """A kind of object by its place in the API."""

    root: str
    plural: str

    def path(self, namespace: str | None = None, name: str | None = None, sub: str | None = None) -> str:
        parts = [self.root, *(("namespaces", namespace) if namespace else ()), self.plural, name, sub]
        return "/".join(part for part in parts if part)


QUANTUMJOBS: Final = Kind(f"/apis/{names.API_VERSION}", names.PLURAL)
JOBS: Final = Kind("/apis/batch/v1", "jobs")
PODS: Final = Kind("/api/v1", "pods")
EVENTS: Final = Kind("/apis/events.k8s.io/v1", "events")


class ApiError(Exception):
    """The API server answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class ApiUnreachable(ApiError):
    """The API server gave no answer."""

    def __init__(self, cause: str) -> None:
        super().__init__(0, cause)


class Kube:
    """The calls that operator and reconciler make. Raises ApiError."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    @classmethod
    async def connect(cls) -> Self:
        """By the pod's service account, or by the kubeconfig outside a cluster."""
        if "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config()
        else:
            await config.load_kube_config()
        return cls(ApiClient())

    async def close(self) -> None:
        await self._client.close()

    async def request(
        self,
        method: str,
        path: str,
        body: JSON | None = None,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> JSON:
        call = await self._client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params=dict(headers or {}),
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            response = await self._client.call_api(*call, _request_timeout=REQUEST_SECONDS)
            data = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ApiUnreachable(type(error).__name__) from error
        if response.status >= 300:
            raise ApiError(response.status, _message(data))
        decoded: JSON = json.loads(data)
        return decoded

    async def get(self, kind: Kind, namespace: str, name: str) -> JSON | None:
        """The object, or None if there is none."""
        try:
            return await self.request("GET", kind.path(namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def list(
        self, kind: Kind, namespace: str | None, *, selector: str = "", metadata_only: bool = False
    ) -> AsyncIterator[JSON]:
        """All objects of a kind, page by page."""
        query = {"limit": str(PAGE)} | ({"labelSelector": selector} if selector else {})
        headers = {"Accept": METADATA_ONLY} if metadata_only else None
        while True:
            page = await self.request("GET", kind.path(namespace), query=query, headers=headers)
            for item in page["items"] or ():
                yield item
            token = page["metadata"].get("continue")
            if not token:
                return
            query["continue"] = token

    async def create(self, kind: Kind, namespace: str, body: JSON) -> JSON | None:
        """The created object, or None if one of this name exists."""
        try:
            return await self.request("POST", kind.path(namespace), body, {"fieldManager": FIELD_MANAGER})
        except ApiError as error:
            if error.status == 409:
                return None
            raise

    async def apply_status(self, quantumjob: JSON, status: JSON) -> JSON:
        """Server-side apply of the whole status, against the very version of the resource that it was made from."""
        meta = quantumjob["metadata"]
        body = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": {key: meta[key] for key in ("name", "namespace", "uid", "resourceVersion")},
            "status": status,
        }
        return await self.request(
            "PATCH",
            QUANTUMJOBS.path(meta["namespace"], meta["name"], "status"),
            body,
            {"fieldManager": FIELD_MANAGER, "force": "true"},
            {"Content-Type": "application/apply-patch+yaml"},
        )


def _message(data: bytes) -> str:
    """The API server's own sentence."""
    try:
        return str(json.loads(data).get("message", ""))
    except ValueError:
        return data[:200].decode(errors="replace")
