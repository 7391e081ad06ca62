"""Results of jobs that are there: whole, so far, and object by object."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.responses import Response

from quantumjob_api.model import views
from quantumjob_api.model.schemas import PartialResultView, ResultView
from quantumjob_api.problems import ApiProblem, ProblemReason
from quantumjob_api.routes.jobs import IfNoneMatch
from quantumjob_api.routes.openapi import RESULT, STORE, binary_response, errors, json_response, response
from quantumjob_api.server.bearer_token import Token
from quantumjob_api.service import InjectedService, Name, Namespace, Service
from quantumjob_api.store import results
from quantumjob_api.store.objects import BINARY, Range, Redirect
from quantumjob_contract.keys import Owner
from quantumjob_contract.reader import Results
from quantumjob_contract.resource import shards

JSON = dict[str, Any]

router = APIRouter(prefix="/v1/namespaces/{namespace}/jobs/{name}", default_response_class=Response, tags=["results"])
ShardNumber = Annotated[int, Path(ge=0, le=9999, description="Shard of the job.")]
SegmentName = Annotated[
    str, Path(pattern=r"^(last|[0-9]{6}(\.npz)?)$", description="Segment of the shard, or its arrays.")
]
SEGMENT: dict[int | str, JSON] = {
    200: binary_response(
        BINARY, "The object as its worker wrote it. With `redirect` too, where it is small and lies in the manifest."
    ),
    206: binary_response(BINARY, "The bytes that Range names.", {"Content-Range": "Which bytes, of how many."}),
    307: response("Where it can be fetched for five minutes.", {"Location": "A presigned URL of the store's."}),
}
TAGGED = {"ETag": "The job's UID: a result never changes."}
UNCHANGED = response("It is what the caller has already.", TAGGED)


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
    """Each byte is checked against the sha256 that was committed. A large result comes as a stream; where a check
    fails in the middle of it, the connection is cut."""
    job = await service.kube.get(token, namespace, name)
    owner, sha256 = committed(job)
    if if_none_match is not None and views.matches_etag(results.etag(owner), if_none_match):
        return Response(status_code=304, headers={"ETag": results.etag(owner)})
    found = await results.open_result(service, owner, sha256)
    return await results.whole(service, found, f"{views.jobs_path(namespace)}/{name}/result")


@router.get(
    "/result/{shard}/{segment}",
    summary="An object of a result",
    responses={**SEGMENT, **errors(ProblemReason.RANGE_NOT_SATISFIABLE, *RESULT)},
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
    """As `segments` or `arrays` of the result names it, with its sha256. By range, or from the store itself."""
    found = await of_job(service, token, namespace, name)
    return await results.segment(service, found, shard, segment, byte_range, redirect=redirect)


@router.get(
    "/partial",
    summary="Results so far",
    responses={200: json_response(PartialResultView, "The pubs that are done."), **errors(*STORE)},
)
async def partial(service: InjectedService, token: Token, namespace: Namespace, name: Name) -> Response:
    """The pubs whose results are stored, while the job runs."""
    job = await service.kube.get(token, namespace, name)
    meta = job["metadata"]
    owner = Owner(namespace, meta["uid"])
    head = {"name": name, "namespace": namespace, "uid": owner.uid}
    if (job.get("status") or {}).get("results"):
        found = await of_job(service, token, namespace, name)
        pubs = results.pubs_of(found)
    else:
        pubs = await results.so_far(service.store().pending, owner, shards(job))
    return await results.as_json(service, namespace, head, pubs, {})


async def of_job(service: Service, token: str, namespace: str, name: str) -> Results:
    owner, sha256 = committed(await service.kube.get(token, namespace, name))
    return await results.open_result(service, owner, sha256)


def committed(job: JSON) -> tuple[Owner, str]:
    """Whose results, and the sha256 that they must have. Raises Problem where there are none."""
    meta, stored = job["metadata"], (job.get("status") or {}).get("results")
    if stored:
        return Owner(meta["namespace"], meta["uid"]), stored["sha256"]
    if views.is_finished(job):
        raise ApiProblem(ProblemReason.NO_RESULT, f"The job has ended without a result. {views.job(job)['message']}")
    raise ApiProblem(ProblemReason.NOT_FINISHED, "The job is not finished: wait for it, or ask for partial.")
