"""Reads the caller's bearer token from the Authorization header. The API server validates it."""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from quantumjob_api.problems import ApiProblem, ApiReason

TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]{1,16384}=*")
IN_QUERY: Final = frozenset(
    {"access_token", "accesstoken", "token", "bearer", "bearer_token", "authorization", "id_token"}
)
MAX_PARAMETERS: Final = 1000

scheme = HTTPBearer(
    scheme_name="kubernetes",
    description="A Kubernetes token: of `kubectl create token ACCOUNT`, or of a pod's service account.",
    auto_error=False,
)


async def bearer(request: Request, _: Annotated[object, Depends(scheme)]) -> str:
    """The caller's token. Raises ApiProblem (Unauthorized)."""
    values = request.headers.getlist("Authorization")
    if len(values) == 1:
        kind, _, token = values[0].partition(" ")
        if kind.lower() == "bearer" and TOKEN.fullmatch(token.strip()):
            return token.strip()
    raise ApiProblem(ApiReason.UNAUTHORIZED, "The request has no token: send `Authorization: Bearer TOKEN`.")


Token = Annotated[str, Depends(bearer)]


def in_query(query: str) -> bool:
    """Whether a query string has a token in it. Raises ValueError for more than MAX_PARAMETERS parameters."""
    found = parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    return any(name.lower() in IN_QUERY for name, _ in found)
