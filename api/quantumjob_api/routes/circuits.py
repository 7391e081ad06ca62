"""Routes of circuits: list, read, upload."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from quantumjob_api.model.schemas import CircuitList, CircuitView
from quantumjob_api.model.submission import object_key
from quantumjob_api.problems import ApiProblem, ApiReason
from quantumjob_api.routes import pagination
from quantumjob_api.routes.openapi import BODY, STORE, binary_response, errors, json_response, response
from quantumjob_api.routes.parameters import Continue, Limit, Namespace, Range, Redirect
from quantumjob_api.server import request_body
from quantumjob_api.server.bearer_token import Token
from quantumjob_api.service import InjectedService
from quantumjob_api.store import objects
from quantumjob_contract import keys, limits
from quantumjob_contract.store import Bucket, Entry
from quantumjob_contract.store.aio import AsyncBucket
from quantumjob_contract.store_errors import ObjectNotFound
from quantumjob_contract.transfer import Put

JSON = dict[str, Any]
PART: Final = r"[A-Za-z0-9_=+~@-][A-Za-z0-9._=+~@-]{0,254}"
"""Stores that keep objects as files take no longer part of a key."""
KEY: Final = rf"^{PART}(/{PART})*$"
ADDRESS: Final = object_key("")

router = APIRouter(prefix="/v1/namespaces/{namespace}/circuits", default_response_class=Response, tags=["circuits"])
Key = Annotated[
    str,
    Path(pattern=KEY, max_length=512, description="The `circuit.object.key` of a pub.", examples=["examples/ghz.qasm"]),
]
UPLOAD: JSON = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary", "minLength": 1}}},
    }
}


@router.get(
    "",
    summary="List circuits",
    responses={
        200: json_response(CircuitList, "A page of circuits, by key."),
        **errors(ApiReason.CONTINUE_EXPIRED, *STORE),
    },
)
async def list_circuits(
    service: InjectedService, token: Token, namespace: Namespace, limit: Limit = 100, after: Continue = None
) -> Response:
    """Needs the right to list quantumjobs in the namespace."""
    await service.kube.require(token, namespace, "list")
    last = pagination.decode(after) if after else ""
    found = await asyncio.to_thread(page, service.store().circuits.blocking, namespace, last, limit + 1)
    own = len(keys.circuit(namespace, ""))
    items: list[JSON] = [
        {"key": entry.key[own:], "bytes": entry.bytes, "modified": entry.modified.isoformat()}
        for entry in found[:limit]
    ]
    more = pagination.encode(items[-1]["key"]) if len(found) > limit else None
    return Response(msgspec.json.encode({"items": items, "next": more}), media_type="application/json")


def page(bucket: Bucket, namespace: str, last: str, count: int) -> list[Entry]:
    prefix = keys.circuit(namespace, "")
    return list(itertools.islice(bucket.list(prefix, prefix + last if last else ""), count))


@router.get(
    "/{key:path}",
    summary="Read a circuit",
    responses={
        200: binary_response(objects.BINARY, "The circuit."),
        206: binary_response(
            objects.BINARY, "The requested range.", {"Content-Range": "The range, and the size of the circuit."}
        ),
        307: response("Redirect to the store, valid for five minutes.", {"Location": "Presigned URL of the circuit."}),
        **errors(ApiReason.RANGE_NOT_SATISFIABLE, *STORE),
    },
)
async def read(
    service: InjectedService,
    token: Token,
    namespace: Namespace,
    key: Key,
    byte_range: Range = None,
    redirect: Redirect = False,
) -> Response:
    """Needs the right to get quantumjobs in the namespace."""
    await service.kube.require(token, namespace, "get")
    bucket, full = service.store().circuits, keys.circuit(namespace, key)
    try:
        if redirect and await bucket.exists(full):
            return objects.redirect_response(bucket, full)
        return await objects.stored_response(bucket, full, byte_range)
    except ObjectNotFound:
        raise ApiProblem(ApiReason.NOT_FOUND, "The circuit does not exist.") from None


@router.put(
    "/{key:path}",
    summary="Upload a circuit",
    status_code=201,
    responses={
        201: json_response(CircuitView, "The circuit was stored.", {"Location": "Path of the circuit."}),
        200: json_response(CircuitView, "The same bytes are stored already.", {"Location": "Path of the circuit."}),
        **errors(ApiReason.ALREADY_EXISTS, ApiReason.LENGTH_REQUIRED, ApiReason.CHECKSUM_MISMATCH, *BODY, *STORE),
    },
    openapi_extra=UPLOAD,
)
async def upload(request: Request, service: InjectedService, token: Token, namespace: Namespace, key: Key) -> Response:
    """Needs the right to create quantumjobs in the namespace. A key is written once. The key `sha256/HEX` accepts only
    bytes with this sha256. No call deletes a circuit: use an S3 client with the bucket's credentials, or a lifecycle
    rule."""
    length = request_body.content_length(request, limits.MAX_UPLOAD_BYTES)
    if length is None:
        raise ApiProblem(
            ApiReason.LENGTH_REQUIRED,
            "The request has no Content-Length: send it.",
            request_body.CLOSE,
        )
    if length == 0:
        raise ApiProblem(ApiReason.INVALID_REQUEST, "The circuit is empty: send its text or bytes.")
    await service.kube.require(token, namespace, "create")
    bucket, full = service.store().circuits, keys.circuit(namespace, key)
    expected = key.removeprefix(ADDRESS) if key.startswith(ADDRESS) else ""
    body = request_body.HashedBody(request.receive, limits.MAX_UPLOAD_BYTES)
    done = Put.EXISTED
    if not await bucket.exists(full):
        done = await bucket.put_stream_once(full, body.checked(expected), length)
    digest = await body.sha256(expected)  # a store that has the key may not have read all
    if done is Put.EXISTED and digest != await _sha256(bucket, full):
        raise ApiProblem(ApiReason.ALREADY_EXISTS, "Another circuit has this key: choose another one.")
    headers = {"Location": f"/v1/namespaces/{namespace}/circuits/{key}"}
    stored = {"key": key, "bytes": length, "sha256": digest}
    status = 201 if done is Put.WRITTEN else 200
    return Response(msgspec.json.encode(stored), status, headers, "application/json")


async def _sha256(bucket: AsyncBucket, key: str) -> str:
    digest = hashlib.sha256()
    async with bucket.open(key) as there:
        async for chunk in there.chunks:
            digest.update(chunk)
    return digest.hexdigest()
