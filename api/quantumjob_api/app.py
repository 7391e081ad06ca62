"""The application: its routes, and an answer to every error."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from quantumjob_api.kubernetes.watch import ClientDisconnected
from quantumjob_api.model import schemas
from quantumjob_api.model.submission import invalid
from quantumjob_api.problems import ApiProblem, ProblemReason
from quantumjob_api.routes import circuits, events, history, jobs, results
from quantumjob_api.service import Service
from quantumjob_contract.store_errors import ObjectNotFound, StoreError

logger = logging.getLogger(__name__)

JSON = dict[str, Any]
VERSION: Final = "v1"
DESCRIPTION: Final = (
    "Submit quantum jobs, follow them, and retrieve results, also of jobs that are long gone. A job is a QuantumJob: "
    "the same that kubectl shows. Every call acts in Kubernetes with the bearer token of its Authorization header, so "
    "the rights that its owner has on `quantumjobs` are all that counts here. Errors are problem details (RFC 9457)."
)
PARTS: Final = (jobs, events, results, history, circuits)
REFERRED: Final = (schemas.CircuitSubmission, schemas.SpecSubmission, schemas.ProblemDetails)
"""Schemas of bodies and errors, which FastAPI does not see: it reads neither."""


def create(open_service: Callable[[], Awaitable[Service]]) -> FastAPI:
    """The application of a service, which is opened as the process starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.service = await open_service()
        yield
        await app.state.service.close()

    app = FastAPI(
        title="quantumjob",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        # By the Host header, which anybody can write.
        redirect_slashes=False,
    )
    for part in PARTS:
        app.include_router(part.router)
    app.openapi = lambda: described(app)  # type: ignore[method-assign]
    handlers: dict[Any, Any] = {
        ApiProblem: _problem,
        HTTPException: _http,
        RequestValidationError: _invalid,
        StoreError: _store,
        ClientDisconnected: _gone,
        ClientDisconnect: _gone,
        Exception: _internal,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
    return app


def described(app: FastAPI) -> JSON:
    """OpenAPI: FastAPI's, with the shapes of answers that are written as plain JSON."""
    if app.openapi_schema is None:
        schema = FastAPI.openapi(app)
        _, shapes = models_json_schema(
            [(model, "validation") for model in REFERRED], ref_template="#/components/schemas/{model}"
        )
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        schemas |= shapes["$defs"]
        app.openapi_schema = schema
    return app.openapi_schema


async def _problem(_: Request, error: ApiProblem) -> Response:
    return error.response()


async def _http(request: Request, error: HTTPException) -> Response:
    """What the router says by itself."""
    if error.status_code == 405:
        allow = ", ".join(sorted(_methods(request)))
        return ApiProblem(
            ProblemReason.METHOD_NOT_ALLOWED, "This path does not take this method.", {"Allow": allow}
        ).response()
    if error.status_code == 404:
        return ApiProblem(ProblemReason.NOT_FOUND, "There is no such path: see /openapi.json.").response()
    return ApiProblem(ProblemReason.INVALID_REQUEST, "The request cannot be read.").response()


def _methods(request: Request) -> set[str]:
    """What the path takes; the router knows of one route only."""
    parts = [route for part in PARTS for route in part.router.routes if isinstance(route, Route)]
    found = [route.methods or set() for route in parts if route.path_regex.match(request.scope["path"])]
    return set().union(*found)


async def _invalid(_: Request, error: RequestValidationError) -> Response:
    return invalid(error.errors()).response()


async def _store(_: Request, error: Exception) -> Response:
    if isinstance(error, ObjectNotFound):
        return ApiProblem(ProblemReason.NOT_FOUND, "There is no such object.").response()
    logger.warning("The store does not serve", extra={"cause": f"{type(error).__name__}: {error}"})
    return ApiProblem(ProblemReason.STORE_UNAVAILABLE, "The object store does not serve: try again.").response()


async def _gone(_: Request, __: Exception) -> Response:
    """Nobody reads it."""
    return Response(status_code=408)


async def _internal(_: Request, __: Exception) -> Response:
    """The log has the trace: Starlette raises it on."""
    return ApiProblem(ProblemReason.INTERNAL, "A defect of the service; its log says more.").response()
