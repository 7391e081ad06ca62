"""Who calls: the bearer token of the Authorization header, and of nowhere else. Kubernetes alone judges it."""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from quantumjob_api.problems import ApiProblem, ProblemReason

TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]{1,16384}=*")
IN_QUERY: Final = frozenset(
    {"access_token", "accesstoken", "token", "bearer", "bearer_token", "authorization", "id_token"}
)
MAX_PARAMETERS: Final = 1000

scheme = HTTPBearer(
    scheme_name="kubernetes",
    description="A token of the cluster's: `kubectl create token ACCOUNT`, or that of a pod's service account.",
    auto_error=False,
)


async def bearer(request: Request, _: Annotated[object, Depends(scheme)]) -> str:
    """The caller's token. Raises Problem."""
    values = request.headers.getlist("Authorization")
    if len(values) == 1:
        kind, _, token = values[0].partition(" ")
        if kind.lower() == "bearer" and TOKEN.fullmatch(token.strip()):
            return token.strip()
    raise ApiProblem(ProblemReason.UNAUTHORIZED, "Send a token of the cluster's: `Authorization: Bearer TOKEN`.")


Token = Annotated[str, Depends(bearer)]


def in_query(query: str) -> bool:
    """Whether a query string carries a token, which would then be in logs and histories everywhere.

    Raises ValueError where it has more parameters than anybody needs.
    """
    found = parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    return any(name.lower() in IN_QUERY for name, _ in found)
