"""Tokens in the query of a URL."""

from __future__ import annotations

import pytest

from quantumjob_api.server import bearer_token


@pytest.mark.parametrize(
    "query", ["token=x", "a=1&access_token=x", "Access_Token=x", "%74oken=x", "authorization=", "bearer"]
)
def test_a_token_in_the_query_is_found(query: str) -> None:
    assert bearer_token.in_query(query)


@pytest.mark.parametrize("query", ["", "limit=1", "continue=token", "tokens=1", "&&&=;", "a=" * 10_000, "a&" * 900])
def test_other_queries_have_no_token(query: str) -> None:
    assert not bearer_token.in_query(query)
