"""Route of a job's server-sent events."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Header
from sse_starlette import EventSourceResponse, ServerSentEvent

from quantumjob_api.kubernetes import watch
from quantumjob_api.kubernetes.client import waiter_cost, without_program
from quantumjob_api.model import views
from quantumjob_api.problems import ApiProblem
from quantumjob_api.routes.openapi import errors, response
from quantumjob_api.routes.parameters import Name, Namespace
from quantumjob_api.server.bearer_token import Token
from quantumjob_api.service import InjectedService, Service

JSON = dict[str, Any]
PING_SECONDS: int = 15
EVENTS_SECONDS: float = 600.0
"""Length of a stream. Clients reconnect, and streams without a reader end."""

router = APIRouter(prefix="/v1/namespaces/{namespace}/jobs", tags=["jobs"])
LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", max_length=64, description="Id of the last event.")]


@router.get(
    "/{name}/events",
    summary="Follow a job",
    response_class=EventSourceResponse,
    responses={
        200: response("An event `status` with the job for each change, until it is finished.")
        | {"content": {"text/event-stream": {}}},
        **errors(),
    },
)
async def events(
    service: InjectedService, token: Token, namespace: Namespace, name: Name, last_event_id: LastEventId = None
) -> EventSourceResponse:
    """Ends when the job is finished, and after ten minutes: continue with Last-Event-ID. If the stream cannot continue,
    its last event is `problem` with a problem as data."""
    job = await service.kube.get(token, namespace, name)
    needed, job = waiter_cost(job), without_program(job)
    with service.waiting.take(namespace, needed):
        pass  # a full quota can still be a response here
    stream = follow(service, token, namespace, name, job, last_event_id, needed)
    return EventSourceResponse(stream, ping=PING_SECONDS)


async def follow(
    service: Service, token: str, namespace: str, name: str, job: JSON, seen: str | None, needed: int
) -> AsyncIterator[ServerSentEvent]:
    """The events of a job, from the state `job` on, unless its version is `seen`."""
    try:
        with service.waiting.take(namespace, needed):
            states = watch.states(service.kube, token, namespace, name, job, EVENTS_SECONDS)
            async with contextlib.aclosing(states) as found:
                async for state in found:
                    version = state["metadata"]["resourceVersion"]
                    if version != seen:
                        yield ServerSentEvent(_json(views.job(state)), event="status", id=version)
                    if views.is_finished(state):
                        return
    except ApiProblem as problem:
        yield ServerSentEvent(_json(problem.body()), event="problem")


def _json(value: JSON) -> str:
    return msgspec.json.encode(value).decode()
