"""Routes of finished jobs, from the completed bucket, also after their QuantumJobs were deleted."""

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
from quantumjob_api.problems import ApiReason
from quantumjob_api.routes import pagination
from quantumjob_api.routes.openapi import STORE, errors, json_response
from quantumjob_api.routes.parameters import (
    Continue,
    IfNoneMatch,
    Limit,
    Namespace,
    Range,
    Redirect,
    SegmentName,
    ShardNumber,
    Uid,
)
from quantumjob_api.routes.results import SEGMENT, TAGGED, UNCHANGED
from quantumjob_api.server.bearer_token import Token
from quantumjob_api.service import InjectedService, Service
from quantumjob_api.store import results
from quantumjob_contract import keys, limits
from quantumjob_contract.keys import Owner
from quantumjob_contract.reader import Results
from quantumjob_contract.schema.results import decode_manifest
from quantumjob_contract.store import Bucket
from quantumjob_contract.store_errors import ObjectNotFound, ObjectTooLarge

logger = logging.getLogger(__name__)

JSON = dict[str, Any]
Commit = tuple[str, str]
"""Time of a result's commit in UTC, and its job's UID."""

router = APIRouter(prefix="/v1/namespaces/{namespace}/history", default_response_class=Response, tags=["history"])
STORED = (ApiReason.NO_RESULT, ApiReason.NOT_VERIFIED, *STORE)


@router.get(
    "",
    summary="List finished jobs",
    responses={
        200: json_response(FinishedJobList, "A page of finished jobs, newest first."),
        **errors(ApiReason.CONTINUE_EXPIRED, *STORE),
    },
)
async def list_history(
    service: InjectedService, token: Token, namespace: Namespace, limit: Limit = 20, after: Continue = None
) -> Response:
    """Needs the right to list quantumjobs in the namespace."""
    await service.kube.require(token, namespace, "list")
    before = commit(pagination.decode(after)) if after else None
    completed = service.store().completed
    with service.history_lists.take(namespace):
        found = await asyncio.to_thread(newest, completed.blocking, namespace, before, limit + 1)
        shown = found[:limit]
        items = await summaries(service, namespace, shown)
    more = pagination.encode(" ".join(shown[-1])) if len(found) > limit else None
    return Response(msgspec.json.encode({"items": items, "next": more}), media_type="application/json")


def newest(bucket: Bucket, namespace: str, before: Commit | None, count: int) -> list[Commit]:
    """The newest commits before this one. S3 lists by name, so that all names are read."""
    suffix = "/" + keys.manifest(Owner("", "")).rpartition("/")[2]
    entries = (entry for entry in bucket.list(f"{namespace}/") if entry.key.endswith(suffix))
    commits = ((entry.modified.isoformat(), entry.key.split("/")[1]) for entry in entries)
    return heapq.nlargest(count, (each for each in commits if before is None or each < before))


def commit(text: str) -> Commit:
    when, _, uid = text.partition(" ")
    return when, uid


async def summaries(service: Service, namespace: str, commits: list[Commit]) -> list[JSON]:
    """The summary of each commit, except those whose manifest cannot be read."""
    completed = service.store().completed
    few = asyncio.Semaphore(2)  # of the MANIFESTS that all requests share

    async def summary(when: str, uid: str) -> JSON | None:
        key = keys.manifest(Owner(namespace, uid))
        async with few, service.manifests:
            try:
                data = await completed.get(key, limits.MAX_MANIFEST_BYTES)
                return views.finished_job_summary(await asyncio.to_thread(decode_manifest, data), when)
            except (ObjectNotFound, ObjectTooLarge, msgspec.DecodeError) as error:
                logger.warning("A manifest cannot be read", extra={"key": key, "cause": type(error).__name__})
                return None

    found = await asyncio.gather(*(summary(*each) for each in commits))
    return [each for each in found if each is not None]


@router.get(
    "/{uid}",
    summary="A finished job",
    responses={200: json_response(FinishedJobView, "The finished job."), **errors(*STORED)},
)
async def finished(service: InjectedService, token: Token, namespace: Namespace, uid: Uid) -> Response:
    """Needs the right to get quantumjobs in the namespace."""
    found = await _open(service, token, namespace, uid)
    shown = views.finished_job(found.manifest, f"{views.history_path(namespace)}/{uid}/result")
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
    """The same result as the job's own; only the paths of its links differ. Needs the right to get quantumjobs in the
    namespace."""
    found = await _open(service, token, namespace, uid)
    tag = results.etag(Owner(namespace, uid))
    if if_none_match is not None and views.matches_etag(tag, if_none_match):
        return Response(status_code=304, headers={"ETag": tag})
    return await results.result_response(service, found, f"{views.history_path(namespace)}/{uid}/result")


@router.get(
    "/{uid}/result/{shard}/{segment}",
    summary="An object of a finished job's result",
    responses={**SEGMENT, **errors(ApiReason.RANGE_NOT_SATISFIABLE, *STORED)},
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
    """An object that `segments` or `arrays` of the result list. Needs the right to get quantumjobs in the namespace."""
    found = await _open(service, token, namespace, uid)
    return await results.object_response(service, found, shard, segment, byte_range, redirect=redirect)


async def _open(service: Service, token: str, namespace: str, uid: str) -> Results:
    await service.kube.require(token, namespace, "get")
    return await results.open_result(service, Owner(namespace, uid))
