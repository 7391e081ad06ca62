"""The order endpoint over real HTTP: who is let in, and what they get."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from quantumjob_contract import keys, limits, names
from quantumjob_contract.keys import Owner
from quantumjob_contract.orders import PATH_ORDERS, Order, ended_path, urls_path
from quantumjob_contract.program import Circuit, ObjectRef, decode_program, encode
from quantumjob_operator.controller import Controller
from quantumjob_operator.kube import ApiUnreachable
from quantumjob_operator.orders import desk as desk_module
from quantumjob_operator.orders.desk import Desk, make_order, url_life
from quantumjob_operator.orders.server import OrderServer
from quantumjob_operator.orders.tokens import TokenVerifier
from support.jobs import owner as new_owner
from support.jobs import program, result, write_job
from support.kube import JOBS, PODS, UID, FakeKube, job, pod, quantumjob
from support.memory import MemoryStore

OF = Owner("team", UID)
ISSUER = "https://kubernetes.default.svc"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Cluster(FakeKube):
    """An API server that publishes a key."""

    fetched = 0

    async def request(self, method: str, path: str, *_: Any) -> dict[str, Any]:
        self.fetched += 1
        if path == "/openid/v1/jwks":
            return {"keys": [RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True) | {"kid": "one", "alg": "RS256"}]}
        return {"issuer": ISSUER}


def token(key: rsa.RSAPrivateKey = KEY, key_id: str = "one", **changes: Any) -> str:
    """A worker's token, with these claims changed."""
    bound = {"namespace": "team", "pod": {"name": f"qj-{UID}-a", "uid": "pod-a"}}
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": [names.AUDIENCE], "iat": now, "exp": now + 600, "kubernetes.io": bound} | changes
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": key_id})


class Endpoint:
    """The endpoint of one QuantumJob with one worker."""

    def __init__(self) -> None:
        self.kube, self.store = Cluster(quantumjob()), MemoryStore()
        self.controller = Controller(self.kube, lambda: self.store, dict)  # type: ignore[arg-type]
        for put, item in (
            (self.controller.cache.put_quantumjob, quantumjob()),
            (self.controller.cache.put_job, job(quantumjob())),
            (self.controller.cache.put_pod, pod(quantumjob(), {"running": {}})),
        ):
            put(item)
        self.store.pending.put_once(keys.program(OF), encode(program(OF, 1)))
        verifier = TokenVerifier(self.kube)  # type: ignore[arg-type]
        self.server = OrderServer(Desk(self.controller, lambda: self.store), verifier)  # type: ignore[arg-type]
        self.client = TestClient(TestServer(self.server.application()))

    async def post(self, path: str, bearer: str | None, body: bytes = b"") -> tuple[int, bytes]:
        headers = {} if bearer is None else {"Authorization": bearer}
        async with self.client.post(path, data=body, headers=headers) as answer:
            return answer.status, await answer.read()


@pytest.fixture
async def endpoint(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Endpoint]:
    monkeypatch.setattr(desk_module, "KNOWN_SECONDS", 0.0)
    made = Endpoint()
    async with made.client:
        yield made


async def test_a_worker_gets_its_order(endpoint: Endpoint) -> None:
    code, body = await endpoint.post(PATH_ORDERS, f"Bearer {token()}")
    assert code == 200
    order = msgspec.json.decode(body, type=Order)
    assert (order.uid, order.shard) == (UID, 0)
    assert decode_program(order.program) == program(OF, 1)
    assert [segment.name for segment in order.next[:2]] == ["000000", "000001"]
    assert order.last_key == f"team/{UID}/0/last.json"
    assert all(f"/team/{UID}/0/" in segment.url for segment in order.next)


NOW = int(time.time())
UNPROVEN = {
    "nothing": None,
    "another scheme": f"Basic {token()}",
    "no token": "Bearer ",
    "not a token": "Bearer x.y.z",
    "expired": f"Bearer {token(exp=NOW - 60)}",
    "of another audience": f"Bearer {token(aud=['https://kubernetes.default.svc'])}",
    "without an audience": f"Bearer {token(aud=None)}",
    "of another issuer": f"Bearer {token(iss='https://elsewhere')}",
    "signed by another key": f"Bearer {token(OTHER_KEY)}",
    "of an unknown key": f"Bearer {token(OTHER_KEY, 'two')}",
    "unsigned": "Bearer " + jwt.encode({"aud": names.AUDIENCE}, None, algorithm="none"),
    "bound to no pod": f"Bearer {token(**{'kubernetes.io': {'namespace': 'team'}})}",
}


@pytest.mark.parametrize("case", list(UNPROVEN))
async def test_who_proves_nothing_gets_nothing(endpoint: Endpoint, case: str) -> None:
    code, body = await endpoint.post(PATH_ORDERS, UNPROVEN[case])
    assert (code, body) == (401, b'{"status": 401}')


def bound(namespace: str = "team", name: str = f"qj-{UID}-a", uid: str = "pod-a") -> dict[str, Any]:
    return {"kubernetes.io": {"namespace": namespace, "pod": {"name": name, "uid": uid}}}


@pytest.mark.parametrize(
    "claims",
    [bound(uid="pod-b"), bound(name="another"), bound(namespace="other"), bound(namespace="other", uid="pod-z")],
)
async def test_a_pod_that_is_no_worker_gets_nothing(endpoint: Endpoint, claims: dict[str, Any]) -> None:
    assert (await endpoint.post(PATH_ORDERS, f"Bearer {token(**claims)}"))[0] == 403


async def test_a_pod_that_carries_the_label_only_gets_nothing(endpoint: Endpoint) -> None:
    forged = pod(quantumjob(), {"running": {}}, name="forged")
    forged["metadata"]["ownerReferences"] = []
    endpoint.controller.cache.put_pod(forged)
    claims = bound(name=f"qj-{UID}-forged", uid="pod-forged")
    assert (await endpoint.post(PATH_ORDERS, f"Bearer {token(**claims)}"))[0] == 403


async def test_a_worker_speaks_of_its_own_job_only(endpoint: Endpoint) -> None:
    for path in (urls_path("other", 0), ended_path("other", 0), urls_path(UID, 1)):
        assert (await endpoint.post(path, f"Bearer {token()}", b'{"start":0}'))[0] == 403


async def test_a_gone_pod_and_a_finished_job_get_nothing(endpoint: Endpoint) -> None:
    endpoint.controller.cache.drop_pod(pod(quantumjob()))
    assert (await endpoint.post(PATH_ORDERS, f"Bearer {token()}"))[0] == 403
    endpoint.controller.cache.put_pod(pod(quantumjob()))
    done = quantumjob(status={"conditions": [{"type": "Complete", "status": "True"}]})
    done["metadata"]["resourceVersion"] = "11"
    endpoint.controller.cache.put_quantumjob(done)
    assert (await endpoint.post(PATH_ORDERS, f"Bearer {token()}"))[0] == 403


async def test_unknown_keys_do_not_make_it_ask_the_cluster_each_time(endpoint: Endpoint) -> None:
    await endpoint.post(PATH_ORDERS, f"Bearer {token()}")
    fetched = endpoint.kube.fetched
    for number in range(5):
        await endpoint.post(PATH_ORDERS, f"Bearer {token(OTHER_KEY, str(number))}")
    assert endpoint.kube.fetched == fetched


async def test_many_first_callers_at_once_are_all_let_in(endpoint: Endpoint) -> None:
    answers = await asyncio.gather(*(endpoint.post(PATH_ORDERS, f"Bearer {token()}") for _ in range(10)))
    assert {code for code, _ in answers} == {200}
    assert endpoint.kube.fetched == 2


async def test_keys_that_cannot_be_had_are_not_the_workers_fault(endpoint: Endpoint) -> None:
    real = endpoint.kube.request

    async def down(*_: Any) -> dict[str, Any]:
        raise ApiUnreachable("ConnectionError")

    endpoint.kube.request = down  # type: ignore[method-assign]
    assert (await endpoint.post(PATH_ORDERS, f"Bearer {token()}"))[0] == 503
    endpoint.kube.request = real  # type: ignore[method-assign]
    assert (await endpoint.post(PATH_ORDERS, f"Bearer {token()}"))[0] == 200


async def test_a_pod_that_the_watch_has_not_brought_is_looked_up(endpoint: Endpoint) -> None:
    endpoint.controller.cache.drop_pod(pod(quantumjob()))
    endpoint.controller.cache.drop_job(job(quantumjob()))
    endpoint.kube.put(PODS, pod(quantumjob(), {"running": {}}))
    endpoint.kube.put(JOBS, job(quantumjob()))
    assert (await endpoint.post(PATH_ORDERS, f"Bearer {token()}"))[0] == 200


async def test_a_large_program_is_behind_its_url(endpoint: Endpoint) -> None:
    text = "OPENQASM 3.0;" + "/" * limits.INLINE_RESULT_BYTES
    pubs = [msgspec.structs.replace(each, circuit=Circuit("OpenQASM3", text)) for each in program(OF, 1).pubs]
    endpoint.store.pending.objects[keys.program(OF)] = encode(msgspec.structs.replace(program(OF, 1), pubs=pubs))
    code, body = await endpoint.post(PATH_ORDERS, f"Bearer {token()}")
    assert code == 200
    order = msgspec.json.decode(body, type=Order)
    assert bytes(order.program) == b""
    assert order.program_url


async def test_more_urls(endpoint: Endpoint) -> None:
    code, body = await endpoint.post(urls_path(UID, 0), f"Bearer {token()}", b'{"start":16}')
    assert code == 200
    assert [each["name"] for each in msgspec.json.decode(body)][:2] == ["000016", "000017"]
    for bad in (b"", b"{}", b'{"start":-1}', b'{"start":1e99}', b'{"start":99999999}'):
        assert (await endpoint.post(urls_path(UID, 0), f"Bearer {token()}", bad))[0] == 400


async def test_ended_is_a_hint_that_wakes_the_controller(endpoint: Endpoint) -> None:
    assert (await endpoint.post(ended_path(UID, 0), f"Bearer {token()}"))[0] == 204
    assert endpoint.controller.remember(OF).hinted
    assert await endpoint.controller.queue.get() == OF


async def test_a_store_that_is_down_is_told_without_its_words(endpoint: Endpoint) -> None:
    endpoint.store.pending.down = True
    assert await endpoint.post(PATH_ORDERS, f"Bearer {token()}") == (503, b'{"status": 503}')


def test_an_order_names_what_earlier_attempts_have_written() -> None:
    store, of = MemoryStore(), new_owner()
    write_job(store.pending, of, [[result(0)], [result(1)]], last=False)  # type: ignore[arg-type]
    order = make_order(store, of, 100, untouched=False)  # type: ignore[arg-type]
    assert [each.name for each in order.found] == ["000000", "000001"]
    assert order.next[0].name == "000002"
    store.pending.put_once(order.last_key, b"anything")
    order = make_order(store, of, 100, untouched=False)  # type: ignore[arg-type]
    assert [each.name for each in order.found] == ["000000", "000001", "last"]


def test_an_order_holds_urls_of_its_own_circuits_only() -> None:
    store, of = MemoryStore(), new_owner()
    one = program(of, 2)
    pubs = [msgspec.structs.replace(pub, circuit=Circuit("QPY", object=ObjectRef("a/b.qpy"))) for pub in one.pubs]
    store.pending.put_once(keys.program(of), encode(msgspec.structs.replace(one, pubs=pubs)))
    order = make_order(store, of, 100, untouched=True)  # type: ignore[arg-type]
    assert list(order.circuits) == ["a/b.qpy"]
    assert order.circuits["a/b.qpy"].startswith("https://store/circuits/team/a/b.qpy?method=GET")


def test_urls_live_as_long_as_the_job_may() -> None:
    assert url_life(-5) == desk_module.SPARE_SECONDS
    assert url_life(600) == 600 + desk_module.SPARE_SECONDS
    assert url_life(10**9) == 7 * 24 * 3600
