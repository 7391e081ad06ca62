"""Keys, seeds, messages: what is stored now must be readable next year."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantumjob_contract import keys, limits, seeds, transfer
from quantumjob_contract.exits import PERMANENT, Exit
from quantumjob_contract.keys import Owner
from quantumjob_contract.program import decode_program, encode
from quantumjob_contract.results import decode_segment
from support.jobs import owner, program, result, segment

OF = Owner("team", "uid-1")


def test_the_layout_of_the_buckets() -> None:
    assert keys.circuit("team", "a/b.qasm") == "team/a/b.qasm"
    assert keys.program(OF) == "team/uid-1/program.json"
    assert keys.manifest(OF) == "team/uid-1/manifest.json"
    assert keys.segment(OF, 0, keys.segment_name(7)) == "team/uid-1/0/000007.json"
    assert keys.segment(OF, 3, keys.LAST) == "team/uid-1/3/last.json"


@pytest.mark.parametrize("key", [keys.program(OF), keys.manifest(OF), keys.segment(OF, 0, keys.LAST)])
def test_a_key_knows_its_job(key: str) -> None:
    assert keys.owner_of(key) == OF


def test_foreign_keys_belong_to_nobody() -> None:
    for key in ("", "a", "a/b", "/a/b", "a//b"):
        assert keys.owner_of(key) is None
    for key in ("a/b/0/x.json", "a/b/x/last.json", "a/b/0/last.txt", "a/b/0/1/last.json", "a/b/0/-1.json"):
        assert keys.segment_of(key) is None


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_names_of_segments_are_in_the_order_of_their_numbers(one: int, two: int) -> None:
    if max(one, two) < 10**6:
        assert (keys.segment_name(one) < keys.segment_name(two)) == (one < two)


@given(st.text())
def test_a_key_that_stays_inside_has_only_real_parts(key: str) -> None:
    if keys.stays_inside(key):
        assert not key.startswith("/")
        assert not {"", ".", ".."} & set(key.split("/"))


@given(st.text(min_size=1), st.integers(0, limits.MAX_PUBS))
def test_seeds_are_in_range_and_fixed(uid: str, index: int) -> None:
    seed = seeds.job_seed(uid)
    assert seed == seeds.job_seed(uid)
    assert 0 <= seeds.pub_seed(seed, index) <= limits.MAX_SEED
    assert seeds.pub_seed(seed, 0) == seed


def test_the_same_value_gives_the_same_bytes() -> None:
    of = owner()
    assert encode(program(of, 3)) == encode(decode_program(encode(program(of, 3))))
    one = segment(of, keys.LAST, [result(0), result(1, failed=True)], [])
    assert encode(decode_segment(encode(one))) == encode(one)


def test_fields_that_a_later_version_adds_are_passed_over() -> None:
    raw = msgspec.json.decode(encode(program(OF, 1))) | {"later": 1}
    assert decode_program(msgspec.json.encode(raw)) == program(OF, 1)


def test_exit_codes() -> None:
    assert {code for code in Exit if code in PERMANENT} == {Exit.BAD_PROGRAM, Exit.INTERNAL}


def test_a_retry_tells_no_log_of_the_url(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    http = transfer.pool()
    http.connection_pool_kw["retries"] = transfer.RETRIES.new(total=1, backoff_factor=0)
    with pytest.raises(transfer.StoreUnavailable) as error:
        transfer.get(http, "http://127.0.0.1:1/bucket/key?X-Amz-Signature=secret", 10)
    assert "X-Amz" not in caplog.text + str(error.value)
