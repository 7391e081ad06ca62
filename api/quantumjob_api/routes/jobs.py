"""Routes of jobs: submit, list, status, cancel, delete."""

from __future__ import annotations

import contextlib
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from quantumjob_api.kubernetes import watch
from quantumjob_api.kubernetes.client import ResponseTooLarge, waiter_cost, without_program
from quantumjob_api.model import idempotency, submission, views
from quantumjob_api.model.idempotency import SubmissionMatch
from quantumjob_api.model.schemas import CircuitSubmission, JobList, JobView, SpecSubmission
from quantumjob_api.problems import ApiProblem, ApiReason
from quantumjob_api.routes.openapi import BODY, STORE, body, errors, json_response, response
from quantumjob_api.routes.parameters import Continue, IfNoneMatch, Limit, Name, Namespace
from quantumjob_api.server import request_body
from quantumjob_api.server.bearer_token import Token
from quantumjob_api.service import InjectedService, Service
from quantumjob_contract import keys, names

JSON = dict[str, Any]
MAX_WAIT: int = 60

router = APIRouter(prefix="/v1/namespaces/{namespace}/jobs", default_response_class=Response, tags=["jobs"])
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[A-Za-z0-9._:/+=-]+$",
        description="Repeated with the same body, the response is the same job; with another, 409. Valid until the job "
        "is deleted. Needs the right to list.",
    ),
]
Wait = Annotated[
    int,
    Query(
        ge=0,
        le=MAX_WAIT,
        description="Seconds to wait until the job is finished or, with If-None-Match, until it has changed.",
    ),
]
TAGGED = {"ETag": "Version of the job."}
PLACED = TAGGED | {"Location": "Path of the job."}


@router.post(
    "",
    summary="Submit a job",
    status_code=202,
    responses={
        202: json_response(JobView, "The QuantumJob was created.", PLACED),
        200: json_response(JobView, "The QuantumJob that this Idempotency-Key created before.", PLACED),
        **errors(
            ApiReason.ALREADY_EXISTS,
            ApiReason.IDEMPOTENCY_CONFLICT,
            ApiReason.UNSUPPORTED_MEDIA_TYPE,
            ApiReason.INVALID_JOB,
            *BODY,
            *STORE,
        ),
    },
    openapi_extra=body(CircuitSubmission, SpecSubmission),
)
async def submit(
    request: Request,
    service: InjectedService,
    token: Token,
    namespace: Namespace,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Send one `circuit`, or the `spec` of a QuantumJob. Circuits above the inline limits are stored in the bucket."""
    if not request_body.is_json(request):
        raise ApiProblem(ApiReason.UNSUPPORTED_MEDIA_TYPE, "The body is not application/json: set Content-Type.")
    length = request_body.content_length(request, submission.MAX_BYTES)
    if length is None or length > request_body.UNAUTHENTICATED_BYTES:
        await service.kube.require(token, namespace, "create")
    async with service.bodies.read(request, namespace, submission.MAX_BYTES) as data:
        new = submission.new_job(submission.parse(data), namespace, idempotency_key)
        status, made = await _create(service, token, namespace, new)
    return _job(made, status, {"Location": f"{views.jobs_path(namespace)}/{made['metadata']['name']}"})


async def _create(service: Service, token: str, namespace: str, new: submission.NewJob) -> tuple[int, JSON]:
    """202 and a new QuantumJob, or 200 and the one that this submission created before. Raises ApiProblem."""
    wanted = new.quantumjob
    key = wanted["metadata"]["labels"].get(names.LABEL_IDEMPOTENCY)
    if key and (existing := await _find_by_key(service, token, namespace, key)):
        return 200, _if_same(existing, wanted)
    if new.uploads:
        await service.kube.require(token, namespace, "create")
        circuits = service.store().circuits
        for name, data in new.uploads.items():
            await circuits.put_once(keys.circuit(namespace, name), data)
    try:
        return 202, await service.kube.create(token, namespace, wanted)
    except ApiProblem as problem:
        if problem.reason is not ApiReason.ALREADY_EXISTS or not key:
            raise
    existing = await _get_or_none(service, token, namespace, wanted["metadata"]["name"])
    if existing is None:
        raise ApiProblem(ApiReason.BUSY, "The job of this name is being deleted: try again.")
    return 200, _if_same(existing, wanted)


async def _find_by_key(service: Service, token: str, namespace: str, key: str) -> JSON | None:
    """The QuantumJob of an idempotency key, from the API server's cache. Concurrent submissions conflict by name."""
    query = {"labelSelector": f"{names.LABEL_IDEMPOTENCY}={key}", "resourceVersion": "0"}
    table = await service.kube.table(token, namespace, query)
    found = [row["object"]["metadata"]["name"] for row in table["rows"] or ()]
    return await _get_or_none(service, token, namespace, found[0]) if found else None


async def _get_or_none(service: Service, token: str, namespace: str, name: str) -> JSON | None:
    """A QuantumJob that was there just before, or None."""
    try:
        return await service.kube.get(token, namespace, name)
    except ApiProblem as problem:
        if problem.reason is not ApiReason.NOT_FOUND:
            raise
    return None


def _if_same(existing: JSON, wanted: JSON) -> JSON:
    """The existing QuantumJob if this submission created it. Raises ApiProblem."""
    match idempotency.compare(existing, wanted):
        case SubmissionMatch.SAME:
            return existing
        case SubmissionMatch.OTHER_BODY:
            raise ApiProblem(
                ApiReason.IDEMPOTENCY_CONFLICT, "The Idempotency-Key created a job from another body: use a new key."
            )
        case SubmissionMatch.OTHER_KEY:
            raise ApiProblem(ApiReason.ALREADY_EXISTS, "Another QuantumJob has this name: choose another one.")


@router.get(
    "",
    summary="List jobs",
    responses={
        200: json_response(JobList, "A page of jobs."),
        **errors(ApiReason.CONTINUE_EXPIRED, ApiReason.INVALID_JOB),
    },
)
async def list_jobs(
    service: InjectedService, token: Token, namespace: Namespace, limit: Limit = 50, after: Continue = None
) -> Response:
    """The QuantumJobs of the namespace, also those of kubectl and GitOps."""
    async with service.job_lists:
        table = await _page(service, token, namespace, limit, after)
        found = {"items": views.job_summaries(table), "next": table["metadata"].get("continue") or None}
    return Response(msgspec.json.encode(found), media_type="application/json")


async def _page(service: Service, token: str, namespace: str, limit: int, after: str | None) -> JSON:
    """A page of at most `limit` jobs: fewer if their annotations are too large together."""
    query = {"continue": after} if after else {}
    while True:
        try:
            return await service.kube.table(token, namespace, query | {"limit": str(limit)})
        except ResponseTooLarge:
            if limit == 1:
                raise
            limit //= 2


@router.get(
    "/{name}",
    summary="Status of a job",
    responses={
        200: json_response(JobView, "The job.", TAGGED),
        304: response("The job has the ETag that was sent.", TAGGED),
        **errors(),
    },
)
async def status(
    request: Request,
    service: InjectedService,
    token: Token,
    namespace: Namespace,
    name: Name,
    wait: Wait = 0,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """With `wait`, the response is delayed until the job is finished or has changed."""
    job = await service.kube.get(token, namespace, name)

    def wanted(job: JSON) -> bool:
        return (
            views.is_finished(job) if if_none_match is None else not views.matches_etag(views.etag(job), if_none_match)
        )

    if wait and not wanted(job) and not views.is_finished(job):  # a finished job does not change
        with service.waiting.take(namespace, waiter_cost(job)):
            job = without_program(job)
            states = watch.states(service.kube, token, namespace, name, job, wait)
            async with contextlib.aclosing(states) as found:
                job = await watch.until_disconnected(request, watch.until(wanted, found, wait))
    if if_none_match is not None and views.matches_etag(views.etag(job), if_none_match):
        return Response(status_code=304, headers={"ETag": views.etag(job)})
    return _job(job, 200, {})


@router.post(
    "/{name}/cancel",
    summary="Cancel a job",
    responses={
        200: json_response(JobView, "The job, with cancellation requested.", TAGGED),
        **errors(ApiReason.JOB_ENDED),
    },
)
async def cancel(service: InjectedService, token: Token, namespace: Namespace, name: Name) -> Response:
    """Sets `spec.cancel`. Finished pubs keep their results. Repeating it is no error."""
    try:
        return _job(await service.kube.cancel(token, namespace, name), 200, {})
    except ApiProblem as problem:
        if problem.reason is ApiReason.INVALID_JOB:
            raise ApiProblem(ApiReason.JOB_ENDED, "The job has ended and cannot be cancelled.") from None
        raise


@router.delete("/{name}", summary="Delete a job", status_code=204, responses={204: response("Deleted."), **errors()})
async def delete(service: InjectedService, token: Token, namespace: Namespace, name: Name) -> Response:
    """Deletes the QuantumJob. The history keeps its results."""
    await service.kube.delete(token, namespace, name)
    return Response(status_code=204)


def _job(quantumjob: JSON, status: int, headers: dict[str, str]) -> Response:
    headers = headers | {"ETag": views.etag(quantumjob)}
    return Response(msgspec.json.encode(views.job(quantumjob)), status, headers, "application/json")
