"""What OpenAPI says of answers: every status of every operation, errors by their reasons."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from quantumjob_api.problems import MEDIA_TYPE, STATUS, ApiProblem, ProblemReason

JSON = dict[str, Any]

EVERYWHERE: Final = (
    ProblemReason.TOKEN_IN_QUERY,
    ProblemReason.UNAUTHORIZED,
    ProblemReason.FORBIDDEN,
    ProblemReason.NOT_FOUND,
    ProblemReason.INVALID_REQUEST,
    ProblemReason.TOO_MANY_REQUESTS,
    ProblemReason.INTERNAL,
    ProblemReason.BUSY,
    ProblemReason.KUBERNETES_UNAVAILABLE,
)
BODY: Final = (ProblemReason.SLOW_BODY, ProblemReason.BODY_TOO_LARGE)
STORE: Final = (ProblemReason.STORE_UNAVAILABLE,)
RESULT: Final = (ProblemReason.NO_RESULT, ProblemReason.NOT_FINISHED, ProblemReason.NOT_VERIFIED, *STORE)


def ref(model: type[BaseModel]) -> JSON:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def json_response(model: type[BaseModel], text: str, headers: dict[str, str] | None = None) -> JSON:
    """A JSON answer of this shape."""
    return response(text, headers) | {"model": model}


def binary_response(media: str, text: str, headers: dict[str, str] | None = None) -> JSON:
    """An answer that is no JSON."""
    return response(text, headers) | {"content": {media: {"schema": {"type": "string", "format": "binary"}}}}


def response(text: str, headers: dict[str, str] | None = None) -> JSON:
    """An answer by its text and headers alone."""
    told = {name: {"description": why, "schema": {"type": "string"}} for name, why in (headers or {}).items()}
    return {"description": text} | ({"headers": told} if told else {})


def errors(*reasons: ProblemReason) -> dict[int | str, JSON]:
    """The problems that an operation may answer with, those of every operation among them."""
    found: dict[int | str, JSON] = {}
    for status in sorted({STATUS[reason] for reason in (*EVERYWHERE, *reasons)}):
        those = [reason for reason in dict.fromkeys((*EVERYWHERE, *reasons)) if STATUS[reason] == status]
        told = {str(reason): {"value": ApiProblem(reason, "What to do, in a sentence.").body()} for reason in those}
        found[status] = {
            "description": ", ".join(those),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}, "examples": told}},
        }
    return found


def body(*models: type[BaseModel]) -> JSON:
    """A JSON body of one of these shapes."""
    schemas = [ref(model) for model in models]
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    examples = {model.__name__.lower(): {"value": _example(model), "summary": model.__doc__} for model in models}
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema, "examples": examples}}}
    }


def _example(model: type[BaseModel]) -> Any:
    extra = model.model_config.get("json_schema_extra")
    return extra.get("example") if isinstance(extra, dict) else None
