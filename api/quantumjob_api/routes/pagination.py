"""Opaque tokens for the next page of a listing."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Final

from fastapi import Query

from quantumjob_api.problems import ApiProblem, ProblemReason

MAX_TOKEN: Final = 4096

Limit = Annotated[int, Query(ge=1, le=200, description="Items of a page.")]
Continue = Annotated[
    str | None,
    Query(
        alias="continue",
        min_length=1,
        max_length=MAX_TOKEN,
        pattern=r"^[A-Za-z0-9_.=-]+$",
        description="`next` of the page before.",
    ),
]


def encode(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def decode(token: str | None) -> str:
    """Raises Problem for what `encode` did not make."""
    try:
        return base64.b64decode((token or "").encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise ApiProblem(ProblemReason.CONTINUE_EXPIRED, "`continue` must be `next` of the page before.") from None
