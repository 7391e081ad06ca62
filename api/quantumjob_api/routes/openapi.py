"""Describes responses for OpenAPI: every status of every operation, errors by their reasons."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from quantumjob_api.problems import MEDIA_TYPE, STATUS, ApiProblem, ApiReason

JSON = dict[str, Any]

EVERYWHERE: Final = (
    ApiReason.TOKEN_IN_QUERY,
    ApiReason.UNAUTHORIZED,
    ApiReason.FORBIDDEN,
    ApiReason.NOT_FOUND,
    ApiReason.INVALID_REQUEST,
    ApiReason.TOO_MANY_REQUESTS,
    ApiReason.INTERNAL,
    ApiReason.BUSY,
    ApiReason.KUBERNETES_UNAVAILABLE,
)
BODY: Final = (ApiReason.SLOW_BODY, ApiReason.BODY_TOO_LARGE)
STORE: Final = (ApiReason.STORE_UNAVAILABLE,)
RESULT: Final = (ApiReason.NO_RESULT, ApiReason.NOT_FINISHED, ApiReason.NOT_VERIFIED, *STORE)


def ref(model: type[BaseModel]) -> JSON:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def json_response(model: type[BaseModel], text: str, headers: dict[str, str] | None = None) -> JSON:
    """A response with this JSON."""
    return response(text, headers) | {"model": model}


def binary_response(media: str, text: str, headers: dict[str, str] | None = None) -> JSON:
    """A response with bytes."""
    return response(text, headers) | {"content": {media: {"schema": {"type": "string", "format": "binary"}}}}


def response(text: str, headers: dict[str, str] | None = None) -> JSON:
    """A response by its description and headers."""
    described = {name: {"description": why, "schema": {"type": "string"}} for name, why in (headers or {}).items()}
    return {"description": text} | ({"headers": described} if described else {})


def errors(*reasons: ApiReason) -> dict[int | str, JSON]:
    """The problems of an operation, with those of every operation."""
    found: dict[int | str, JSON] = {}
    for status in sorted({STATUS[reason] for reason in (*EVERYWHERE, *reasons)}):
        those = [reason for reason in dict.fromkeys((*EVERYWHERE, *reasons)) if STATUS[reason] == status]
        examples = {str(reason): {"value": ApiProblem(reason, "The cause, and what to do.").body()} for reason in those}
        found[status] = {
            "description": ", ".join(those),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}, "examples": examples}},
        }
    return found


def body(*models: type[BaseModel]) -> JSON:
    """A JSON body of one of these schemas."""
    schemas = [ref(model) for model in models]
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    examples = {model.__name__.lower(): {"value": _example(model), "summary": model.__doc__} for model in models}
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema, "examples": examples}}}
    }


def _example(model: type[BaseModel]) -> Any:
    extra = model.model_config.get("json_schema_extra")
    return extra.get("example") if isinstance(extra, dict) else None
