"""Parameters of pages, and the tokens of their continuation."""

from __future__ import annotations

import base64
import binascii

from quantumjob_api.problems import ApiProblem, ApiReason


def encode(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def decode(token: str | None) -> str:
    """The text of a token. Raises ApiProblem (ContinueExpired) if it is not one of `encode`."""
    try:
        return base64.b64decode((token or "").encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise ApiProblem(
            ApiReason.CONTINUE_EXPIRED,
            "`continue` is invalid: send `next` of the last page.",
        ) from None
