"""Continue tokens."""

from __future__ import annotations

import pytest

from quantumjob_api.problems import ApiProblem
from quantumjob_api.routes import pagination


def test_continue_tokens_are_decoded_and_others_rejected() -> None:
    assert pagination.decode(pagination.encode("a/ü b")) == "a/ü b"
    for wrong in ("x", "____", "=", "a" * 4096 + "="):
        with pytest.raises(ApiProblem):
            pagination.decode(wrong)
