"""Routes of the results of existing jobs: whole, partial, and single objects."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from quantumjob_api.model import views
from quantumjob_api.model.schemas import PartialResultView, ResultView
from quantumjob_api.problems import ApiProblem, ApiReason
from quantumjob_api.routes.openapi import RESULT, STORE, binary_response, errors, json_response, response
from quantumjob_api.routes.parameters import IfNoneMatch, Name, Namespace, Range, Redirect, SegmentName, ShardNumber
from quantumjob_api.server.bearer_token import Token
from quantumjob_api.service import InjectedService, Service
from quantumjob_api.store import results
from quantumjob_api.store.objects import BINARY
from quantumjob_contract.keys import Owner
from quantumjob_contract.reader import Results
from quantumjob_contract.resource import shards

JSON = dict[str, Any]

router = APIRouter(prefix="/v1/namespaces/{namespace}/jobs/{name}", default_response_class=Response, tags=["results"])
SEGMENT: dict[int | str, JSON] = {
    200: binary_response(BINARY, "The object. Also with `redirect`, if it is small and stored in the manifest."),
    206: binary_response(BINARY, "The requested range.", {"Content-Range": "The range, and the size of the object."}),
    307: response("Redirect to the store, valid for five minutes.", {"Location": "Presigned URL of the object."}),
}
TAGGED = {"ETag": "The UID of the job: a result never changes."}
UNCHANGED = response("The result has the ETag that was sent.", TAGGED)


@router.get(
    "/result",
    summary="Result of a job",
    responses={
        200: json_response(ResultView, "Every pub's result or error.", TAGGED),
        304: UNCHANGED,
        **errors(*RESULT),
    },
)
async def result(
    service: InjectedService, token: Token, namespace: Namespace, name: Name, if_none_match: IfNoneMatch = None
) -> Response:
    """Verified against the committed sha256. A large result is streamed; if a check fails in the middle, the connection
    is closed before the end."""
    job = await service.kube.get(token, namespace, name)
    owner, sha256 = committed(job)
    if if_none_match is not None and views.matches_etag(results.etag(owner), if_none_match):
        return Response(status_code=304, headers={"ETag": results.etag(owner)})
    found = await results.open_result(service, owner, sha256)
    return await results.result_response(service, found, f"{views.jobs_path(namespace)}/{name}/result")


@router.get(
    "/result/{shard}/{segment}",
    summary="An object of a result",
    responses={**SEGMENT, **errors(ApiReason.RANGE_NOT_SATISFIABLE, *RESULT)},
)
async def segment(
    service: InjectedService,
    token: Token,
    namespace: Namespace,
    name: Name,
    shard: ShardNumber,
    segment: SegmentName,
    byte_range: Range = None,
    redirect: Redirect = False,
) -> Response:
    """An object that `segments` or `arrays` of the result list, with its sha256."""
    found = await of_job(service, token, namespace, name)
    return await results.object_response(service, found, shard, segment, byte_range, redirect=redirect)


@router.get(
    "/partial",
    summary="Results so far",
    responses={200: json_response(PartialResultView, "The pubs with a result."), **errors(*STORE)},
)
async def partial(service: InjectedService, token: Token, namespace: Namespace, name: Name) -> Response:
    """The pubs whose results are stored so far. They are verified when the job ends."""
    job = await service.kube.get(token, namespace, name)
    meta = job["metadata"]
    owner = Owner(namespace, meta["uid"])
    head = {"name": name, "namespace": namespace, "uid": owner.uid}
    if (job.get("status") or {}).get("results"):
        found = await of_job(service, token, namespace, name)
        pubs = results.verified_pubs(found)
    else:
        pubs = await results.pending_pubs(service.store().pending, owner, shards(job))
    return await results.pubs_response(service, namespace, head, pubs, {})


async def of_job(service: Service, token: str, namespace: str, name: str) -> Results:
    owner, sha256 = committed(await service.kube.get(token, namespace, name))
    return await results.open_result(service, owner, sha256)


def committed(job: JSON) -> tuple[Owner, str]:
    """The owner of the job's results, and the sha256 of their manifest. Raises ApiProblem if there are none."""
    meta, stored = job["metadata"], (job.get("status") or {}).get("results")
    if stored:
        return Owner(meta["namespace"], meta["uid"]), stored["sha256"]
    if views.is_finished(job):
        raise ApiProblem(ApiReason.NO_RESULT, f"The job ended without a result. {views.job(job)['message']}")
    raise ApiProblem(ApiReason.NOT_FINISHED, "The job is not finished: wait for it, or get `partial`.")
