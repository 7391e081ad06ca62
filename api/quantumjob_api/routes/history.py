"""Finished jobs of a namespace from the completed bucket, also when the QuantumJob is long gone."""

from __future__ import annotations

import asyncio
import heapq
import logging
from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from quantumjob_api.model import views
from quantumjob_api.model.schemas import FinishedJobList, FinishedJobView, ResultView
from quantumjob_api.problems import ProblemReason
from quantumjob_api.routes import pagination
from quantumjob_api.routes.jobs import IfNoneMatch
from quantumjob_api.routes.openapi import STORE, errors, json_response
from quantumjob_api.routes.pagination import Continue, Limit
from quantumjob_api.routes.results import SEGMENT, TAGGED, UNCHANGED, SegmentName, ShardNumber
from quantumjob_api.server.bearer_token import Token
from quantumjob_api.service import InjectedService, Namespace, Service, Uid
from quantumjob_api.store import results
from quantumjob_api.store.objects import Range, Redirect
from quantumjob_contract import keys, limits
from quantumjob_contract.keys import Owner
from quantumjob_contract.reader import Results
from quantumjob_contract.schema.results import decode_manifest
from quantumjob_contract.store import Bucket
from quantumjob_contract.store_errors import ObjectNotFound, ObjectTooLarge

logger = logging.getLogger(__name__)

JSON = dict[str, Any]
Line = tuple[str, str]
"""When a result was committed, in UTC, and the UID of its job."""

router = APIRouter(prefix="/v1/namespaces/{namespace}/history", default_response_class=Response, tags=["history"])
STORED = (ProblemReason.NO_RESULT, ProblemReason.NOT_VERIFIED, *STORE)


@router.get(
    "",
    summary="List finished jobs",
    responses={
        200: json_response(FinishedJobList, "A page of finished jobs, newest first."),
        **errors(ProblemReason.CONTINUE_EXPIRED, *STORE),
    },
)
async def list_history(
    service: InjectedService, token: Token, namespace: Namespace, limit: Limit = 20, after: Continue = None
) -> Response:
    """Needs the right to list quantumjobs in the namespace."""
    await service.kube.require(token, namespace, "list")
    before = line(pagination.decode(after)) if after else None
    completed = service.store().completed
    with service.listing.take(namespace):
        found = await asyncio.to_thread(newest, completed.blocking, namespace, before, limit + 1)
        shown = found[:limit]
        items = await rows(service, namespace, shown)
    more = pagination.encode(" ".join(shown[-1])) if len(found) > limit else None
    return Response(msgspec.json.encode({"items": items, "next": more}), media_type="application/json")


def newest(bucket: Bucket, namespace: str, before: Line | None, count: int) -> list[Line]:
    """The newest results that were committed before this one. S3 lists by name, so all names are looked at."""
    suffix = "/" + keys.manifest(Owner("", "")).rpartition("/")[2]
    entries = (entry for entry in bucket.list(f"{namespace}/") if entry.key.endswith(suffix))
    lines = ((entry.modified.isoformat(), entry.key.split("/")[1]) for entry in entries)
    return heapq.nlargest(count, (each for each in lines if before is None or each < before))


def line(text: str) -> Line:
    when, _, uid = text.partition(" ")
    return when, uid


async def rows(service: Service, namespace: str, lines: list[Line]) -> list[JSON]:
    """Each job in one line; one whose manifest cannot be read is left out."""
    completed = service.store().completed
    few = asyncio.Semaphore(2)  # of the places that all results have

    async def row(when: str, uid: str) -> JSON | None:
        key = keys.manifest(Owner(namespace, uid))
        async with few, service.opening:
            try:
                data = await completed.get(key, limits.MAX_MANIFEST_BYTES)
                return views.history_row(await asyncio.to_thread(decode_manifest, data), when)
            except (ObjectNotFound, ObjectTooLarge, msgspec.DecodeError) as error:
                logger.warning("A manifest cannot be read", extra={"key": key, "cause": type(error).__name__})
                return None

    found = await asyncio.gather(*(row(*each) for each in lines))
    return [each for each in found if each is not None]


@router.get(
    "/{uid}",
    summary="A finished job",
    responses={200: json_response(FinishedJobView, "The job, as it ended."), **errors(*STORED)},
)
async def finished(service: InjectedService, token: Token, namespace: Namespace, uid: Uid) -> Response:
    """Needs the right to get quantumjobs in the namespace, as all of history does."""
    found = await _open(service, token, namespace, uid)
    shown = views.stored(found.manifest, f"{views.history_path(namespace)}/{uid}/result")
    return Response(msgspec.json.encode(shown), media_type="application/json")


@router.get(
    "/{uid}/result",
    summary="Result of a finished job",
    responses={
        200: json_response(ResultView, "Every pub's result or error.", TAGGED),
        304: UNCHANGED,
        **errors(*STORED),
    },
)
async def result(
    service: InjectedService, token: Token, namespace: Namespace, uid: Uid, if_none_match: IfNoneMatch = None
) -> Response:
    """The same, byte for byte, as the job's own result was."""
    found = await _open(service, token, namespace, uid)
    tag = results.etag(Owner(namespace, uid))
    if if_none_match is not None and views.matches_etag(tag, if_none_match):
        return Response(status_code=304, headers={"ETag": tag})
    return await results.whole(service, found, f"{views.history_path(namespace)}/{uid}/result")


@router.get(
    "/{uid}/result/{shard}/{segment}",
    summary="An object of a finished job's result",
    responses={**SEGMENT, **errors(ProblemReason.RANGE_NOT_SATISFIABLE, *STORED)},
)
async def segment(
    service: InjectedService,
    token: Token,
    namespace: Namespace,
    uid: Uid,
    shard: ShardNumber,
    segment: SegmentName,
    byte_range: Range = None,
    redirect: Redirect = False,
) -> Response:
    """As `segments` or `arrays` of the result names it."""
    found = await _open(service, token, namespace, uid)
    return await results.segment(service, found, shard, segment, byte_range, redirect=redirect)


async def _open(service: Service, token: str, namespace: str, uid: str) -> Results:
    await service.kube.require(token, namespace, "get")
    return await results.open_result(service, Owner(namespace, uid))
