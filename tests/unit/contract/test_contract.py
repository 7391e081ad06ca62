"""Keys, seeds, messages: what is stored now must be readable next year."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantumjob_contract import keys, limits, resource, transfer
from quantumjob_contract.exit_codes import PERMANENT, Exit
from quantumjob_contract.keys import Owner, Shard
from quantumjob_contract.pubs import seeds
from quantumjob_contract.schema.orders import (
    PATH_ORDERS,
    EndedOrder,
    HeartbeatRequest,
    HeartbeatResponse,
    Order,
    OrderRequest,
    UrlsRequest,
    alive_path,
    urls_path,
)
from quantumjob_contract.schema.program import decode_program, encode
from quantumjob_contract.schema.results import Register, decode_segment
from quantumjob_contract.store_errors import StoreUnavailable
from support.jobs import only, owner, program, result, segment

OF = Owner("team", "uid-1")


def test_the_layout_of_the_buckets() -> None:
    assert keys.circuit("team", "a/b.qasm") == "team/a/b.qasm"
    assert keys.program(OF) == "team/uid-1/program.json"
    assert keys.manifest(OF) == "team/uid-1/manifest.json"
    assert keys.segment(only(OF), keys.segment_name(7)) == "team/uid-1/0/000007.json"
    assert keys.segment(Shard(OF, 3), keys.LAST) == "team/uid-1/3/last.json"


@pytest.mark.parametrize("key", [keys.program(OF), keys.manifest(OF), keys.segment(only(OF), keys.LAST)])
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
    assert all(0 <= each <= limits.MAX_SEED for each in seeds.pub_seeds(seed, [index, 1]))
    assert seeds.pub_seeds(seed, [index, 1, 1]) == [
        seed,
        *((seed + 2113 * n) & limits.MAX_SEED for n in (index, index + 1)),
    ]


def test_the_same_value_gives_the_same_bytes() -> None:
    of = owner()
    assert encode(program(of, 3)) == encode(decode_program(encode(program(of, 3))))
    one = segment(of, keys.LAST, [result(0), result(1, failed=True)], [])
    assert encode(decode_segment(encode(one))) == encode(one)


def test_what_was_stored_before_there_were_arrays_is_the_same_bytes() -> None:
    old = b'{"name":"p0","circuit":{"format":"OpenQASM3","inline":"OPENQASM 3.0;"},"shots":10}'
    (pub,) = program(OF, 1).pubs
    assert encode(pub) == old
    assert msgspec.json.decode(old, type=type(pub)) == pub
    register = b'{"numBits":2,"samples":"AAAA","counts":{"00":4}}'
    assert encode(msgspec.json.decode(register, type=Register)) == register


def test_fields_that_a_later_version_adds_are_passed_over() -> None:
    raw = msgspec.json.decode(encode(program(OF, 1))) | {"later": 1}
    assert decode_program(msgspec.json.encode(raw)) == program(OF, 1)


def test_exit_codes() -> None:
    assert {code for code in Exit if code in PERMANENT} == {Exit.BAD_PROGRAM, Exit.INTERNAL}


MESSAGES: dict[str, msgspec.Struct] = {
    '{"ended":{"uid":"u","shard":0,"code":75,"message":"m","computed":2},"leaving":true}': OrderRequest(
        EndedOrder("u", 0, Exit.TEMPORARY, "m", 2), leaving=True
    ),
    '{"ended":{"uid":"u","shard":0}}': OrderRequest(EndedOrder("u", 0)),
    "{}": OrderRequest(),
    '{"done":1,"total":2}': HeartbeatRequest(1, 2),
    '{"stop":true}': HeartbeatResponse(stop=True),
    '{"start":16}': UrlsRequest(16),
}


@pytest.mark.parametrize("text", MESSAGES)
def test_the_messages_between_worker_and_operator(text: str) -> None:
    """Both sides are of the same version only most of the time: what one says, the other has to read."""
    message = MESSAGES[text]
    assert msgspec.json.encode(message).decode() == text
    assert msgspec.json.decode(text, type=type(message)) == message
    more = msgspec.json.decode(text) | {"later": 1}
    assert msgspec.json.decode(msgspec.json.encode(more), type=type(message)) == message


def test_where_the_messages_go() -> None:
    assert PATH_ORDERS == "/v1/orders"
    assert urls_path("u", 0) == "/v1/orders/u/0/urls"
    assert alive_path("u", 0) == "/v1/orders/u/0/alive"


def test_an_order_carries_the_program_s_own_bytes() -> None:
    data = encode(program(OF, 1))
    urls = {"program_url": "https://p", "circuits": {}, "next": [], "last": "https://l", "last_key": "k"}
    order = Order(uid="u", shard=0, program=msgspec.Raw(data), **urls)
    there = msgspec.json.decode(msgspec.json.encode(order), type=Order)
    assert bytes(there.program) == data
    assert (there.only, there.found, there.seconds_left) == (False, [], None)
    bare = Order(uid="u", shard=0, **urls)
    assert bytes(msgspec.json.decode(msgspec.json.encode(bare), type=Order).program) in {b"", b"null"}


def test_a_retry_tells_no_log_of_the_url(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    http = transfer.pool()
    http.connection_pool_kw["retries"] = transfer.RETRIES.new(total=1, backoff_factor=0)
    with pytest.raises(StoreUnavailable) as error:
        transfer.get(http, "http://127.0.0.1:1/bucket/key?X-Amz-Signature=secret", 10)
    assert "X-Amz" not in caplog.text + str(error.value)


@given(st.integers(1, limits.MAX_PARALLELISM), st.integers(1, 200))
def test_each_pub_is_of_one_shard_and_no_shard_is_empty(parallelism: int, pubs: int) -> None:
    of = owner()
    made = program(of, pubs, parallelism)
    assert made.shards == min(parallelism, pubs)
    shards = [made.indices(number) for number in range(made.shards)]
    assert sorted(index for indices in shards for index in indices) == list(range(pubs))
    assert all(index % made.shards == number for number, indices in enumerate(shards) for index in indices)
    assert {len(indices) for indices in shards} <= {pubs // made.shards, -(-pubs // made.shards)}
    body = {"spec": {"parallelism": parallelism, "program": {"pubs": [{}] * pubs}}}
    assert (resource.total(body), resource.shards(body)) == (pubs, made.shards), "the resource says the same"
    assert [resource.pubs_of(body, number) for number in range(made.shards)] == list(map(len, shards))


def test_a_program_and_a_resource_from_before_there_were_shards_have_one() -> None:
    made = program(OF, 8)
    without = {name: value for name, value in msgspec.json.decode(encode(made)).items() if name != "parallelism"}
    read = decode_program(msgspec.json.encode(without))
    assert (read, read.shards, read.indices(0)) == (made, 1, range(8))
    assert resource.shards({"spec": {"program": {"pubs": [{}] * 8}}}) == 1
