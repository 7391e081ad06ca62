"""Builds the ASGI application: the routes, and a problem response for every exception."""

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
from quantumjob_api.problems import ApiProblem, ApiReason
from quantumjob_api.routes import circuits, events, history, jobs, results
from quantumjob_api.service import Service
from quantumjob_contract.store_errors import ObjectNotFound, StoreError

logger = logging.getLogger(__name__)

JSON = dict[str, Any]
VERSION: Final = "v1"
DESCRIPTION: Final = (
    "Submit quantum jobs, follow them, and get their results, also after a job was deleted. A job is a QuantumJob, the "
    "same as in kubectl. Every call acts in Kubernetes with the bearer token of its Authorization header and needs the "
    "rights on `quantumjobs` that kubectl would need. Errors are problem details (RFC 9457)."
)
PARTS: Final = (jobs, events, results, history, circuits)
REFERENCED: Final = (schemas.CircuitSubmission, schemas.SpecSubmission, schemas.ProblemDetails)
"""Schemas that the description refers to by name: FastAPI parses no body here and makes no error."""


def create(open_service: Callable[[], Awaitable[Service]]) -> FastAPI:
    """The application. `open_service` is awaited when the server starts."""

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
        # A redirect would use the Host header, which the client controls.
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
    """FastAPI's OpenAPI description, and the schemas that it does not collect by itself."""
    if app.openapi_schema is None:
        schema = FastAPI.openapi(app)
        _, shapes = models_json_schema(
            [(model, "validation") for model in REFERENCED], ref_template="#/components/schemas/{model}"
        )
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        schemas |= shapes["$defs"]
        app.openapi_schema = schema
    return app.openapi_schema


async def _problem(_: Request, error: ApiProblem) -> Response:
    return error.response()


async def _http(request: Request, error: HTTPException) -> Response:
    """Converts the router's own errors."""
    if error.status_code == 405:
        allow = ", ".join(sorted(_methods(request)))
        return ApiProblem(
            ApiReason.METHOD_NOT_ALLOWED,
            "The path does not support this method: see Allow.",
            {"Allow": allow},
        ).response()
    if error.status_code == 404:
        return ApiProblem(ApiReason.NOT_FOUND, "The path does not exist: /openapi.json lists all paths.").response()
    return ApiProblem(ApiReason.INVALID_REQUEST, "The request is malformed: see /openapi.json.").response()


def _methods(request: Request) -> set[str]:
    """All methods of the path. The router's error names those of one route only."""
    parts = [route for part in PARTS for route in part.router.routes if isinstance(route, Route)]
    found = [route.methods or set() for route in parts if route.path_regex.match(request.scope["path"])]
    return set().union(*found)


async def _invalid(_: Request, error: RequestValidationError) -> Response:
    return invalid(error.errors()).response()


async def _store(_: Request, error: Exception) -> Response:
    if isinstance(error, ObjectNotFound):
        return ApiProblem(ApiReason.NOT_FOUND, "The object does not exist in the store.").response()
    logger.warning("The object store failed", extra={"cause": f"{type(error).__name__}: {error}"})
    return ApiProblem(ApiReason.STORE_UNAVAILABLE, "The object store failed: try again later.").response()


async def _gone(_: Request, __: Exception) -> Response:
    """The client has disconnected; the status is for the log."""
    return Response(status_code=408)


async def _internal(_: Request, __: Exception) -> Response:
    """The log has the traceback: Starlette re-raises the exception."""
    return ApiProblem(ApiReason.INTERNAL, "The service failed on this request: its log has the cause.").response()
