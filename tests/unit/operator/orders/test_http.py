"""The order endpoint over real HTTP: who is let in, and what they get."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import jwt
import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from quantumjob_contract import keys, limits, names
from quantumjob_contract.keys import Owner
from quantumjob_contract.schema.backend import Backend, Noise
from quantumjob_contract.schema.object_ref import ObjectRef
from quantumjob_contract.schema.orders import (
    PATH_ORDERS,
    EndedOrder,
    HeartbeatRequest,
    HeartbeatResponse,
    Order,
    OrderRequest,
    SegmentUrl,
    alive_path,
    urls_path,
)
from quantumjob_contract.schema.program import Circuit, Program, decode_program, encode
from quantumjob_operator import clock
from quantumjob_operator.kubernetes.client import ApiUnreachable
from quantumjob_operator.model import cost_estimate
from quantumjob_operator.orders import builder
from quantumjob_operator.orders.http import OrderServer
from quantumjob_operator.orders.identity import WorkerRegistry
from quantumjob_operator.orders.tokens import Denied, TokenVerifier
from quantumjob_operator.scheduling.assignment import Assignment, Pod
from support.jobs import only, program, result, write_job
from support.jobs import owner as new_owner
from support.kube import JOBS, PODS, QUANTUMJOBS, UID, FakeKube, another, job, pod, quantumjob
from support.memory import MemoryStore
from support.parts import OF, Parts

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


class Endpoint(Parts):
    """The endpoint of one QuantumJob with a dedicated worker, and of a namespace with a shared one."""

    def __init__(self) -> None:
        self.kube: Cluster
        super().__init__(Cluster(quantumjob()))
        self.edit(dedicated=True)
        self.router.job(job(quantumjob()), False)
        self.router.pod(pod(quantumjob(), {"running": {}}), False)
        self.store.pending.put_once(keys.program(OF), encode(program(OF, 1)))
        self.hire("a")
        verifier = TokenVerifier(self.kube)  # type: ignore[arg-type]
        registry = WorkerRegistry(self.kube, self.controller.cache)  # type: ignore[arg-type]
        self.client = TestClient(TestServer(OrderServer(self.order_service, verifier, registry).application()))

    async def post(
        self, path: str, bearer: str | None, body: bytes | msgspec.Struct | None = None
    ) -> tuple[int, bytes]:
        headers = {} if bearer is None else {"Authorization": bearer}
        said = OrderRequest() if body is None else body
        data = said if isinstance(said, bytes) else msgspec.json.encode(said)
        async with self.client.post(path, data=data, headers=headers) as answer:
            return answer.status, await answer.read()

    def offer(self, name: str = "small", namespace: str = "team") -> Owner:
        """A small job waits for its turn."""
        owner = Owner(namespace, f"uid-{name}")
        self.router.quantumjob(self.kube.put(QUANTUMJOBS, another(name, namespace=namespace)), False)
        self.autoscaler.enqueue(owner, [Assignment(0.03, 600.0, 3, clock.now())])
        return owner


@pytest.fixture
async def endpoint(no_poll: None) -> AsyncIterator[Endpoint]:
    made = Endpoint()
    async with made.client:
        yield made


def long_program(of: Owner, pubs: int) -> Program:
    """So that it may store segments before its last."""
    made = program(of, pubs)
    unknown = [msgspec.structs.replace(pub, circuit=Circuit("QPY", "AA==")) for pub in made.pubs]
    return msgspec.structs.replace(made, pubs=unknown)


async def test_a_worker_gets_its_order(endpoint: Endpoint) -> None:
    endpoint.store.pending.objects[keys.program(OF)] = encode(long_program(OF, 1))
    code, body = await endpoint.post(PATH_ORDERS, f"Bearer {token()}")
    assert code == 200
    order = msgspec.json.decode(body, type=Order)
    assert (order.uid, order.shard) == (UID, 0)
    assert decode_program(order.program) == long_program(OF, 1)
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


@pytest.mark.parametrize(
    ("index", "shard"),
    [("0", 0), ("1", 1), ("2", 2), ("", 0), ("x", 0), ("-1", 0), ("3", None), ("64", None), ("9" * 63, None)],
    ids=["first", "second", "last", "absent", "no number", "negative", "beyond the last", "64", "very large"],
)
async def test_a_pod_of_an_indexed_job_has_the_shard_of_its_index(
    endpoint: Endpoint, index: str, shard: int | None
) -> None:
    pubs = endpoint.found()["spec"]["program"]["pubs"] * 8
    endpoint.edit(parallelism=3, program={"primitive": "Sampler", "shots": 100, "pubs": pubs})
    endpoint.store.pending.objects[keys.program(OF)] = encode(program(OF, 8, 3))
    endpoint.router.pod(pod(quantumjob(), {"running": {}}, name="indexed", index=index), False)
    claims = token(**bound(name=f"qj-{UID}-indexed", uid="pod-indexed"))
    code, body = await endpoint.post(PATH_ORDERS, f"Bearer {claims}")
    if shard is None:
        assert (code, body) == (403, b'{"status": 403}'), "there is no such shard"
        return
    assert code == 200
    order = msgspec.json.decode(body, type=Order)
    assert (order.uid, order.shard, order.last_key) == (UID, shard, f"team/{UID}/{shard}/last.json")
    assert decode_program(order.program) == program(OF, 8, 3)
    assert {each.url.split("/")[6] for each in order.next} == {str(shard)}
    assert (await endpoint.post(alive_path(UID, shard), f"Bearer {claims}", HeartbeatRequest(0, 1)))[0] == 200
    assert (await endpoint.post(alive_path(UID, (shard + 1) % 3), f"Bearer {claims}", HeartbeatRequest(0, 1)))[0] == 403


async def test_a_pod_that_carries_the_label_only_gets_nothing(endpoint: Endpoint) -> None:
    forged = pod(quantumjob(), {"running": {}}, name="forged")
    forged["metadata"]["ownerReferences"] = []
    endpoint.controller.cache.put_pod(forged)
    claims = bound(name=f"qj-{UID}-forged", uid="pod-forged")
    assert (await endpoint.post(PATH_ORDERS, f"Bearer {token(**claims)}"))[0] == 403


@pytest.mark.parametrize("what", [("other", 0), (UID, 1)])
async def test_a_worker_speaks_of_its_own_shard_only(endpoint: Endpoint, what: tuple[str, int]) -> None:
    for path, body in (
        (urls_path(*what), b'{"start":0}'),
        (alive_path(*what), HeartbeatRequest(0, 1)),
        (PATH_ORDERS, OrderRequest(EndedOrder(*what))),
    ):
        assert (await endpoint.post(path, f"Bearer {token()}", body))[0] == 403
    for number in ("-1", "x", "10000", "0.5"):
        for path in (urls_path(UID, 0), alive_path(UID, 0)):
            bad = path.replace("/0/", f"/{number}/")
            assert (await endpoint.post(bad, f"Bearer {token()}"))[0] == 404, "that is no shard"


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


async def test_a_token_is_checked_once_and_again_when_it_has_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    checks: list[str] = []
    real = jwt.decode

    def counted(sent: str, *rest: Any, **more: Any) -> Any:
        checks.append(sent)
        return real(sent, *rest, **more)

    monkeypatch.setattr(jwt, "decode", counted)
    verifier, sent = TokenVerifier(Cluster()), token()  # type: ignore[arg-type]
    first = await verifier.verify(sent)
    assert await verifier.verify(sent) == first
    assert (first.pod_uid, len(checks)) == ("pod-a", 1)
    later = SimpleNamespace(time=lambda: time.time() + 601, monotonic=time.monotonic)
    monkeypatch.setattr("quantumjob_operator.orders.tokens.time", later)
    await verifier.verify(sent)
    assert len(checks) == 2


async def test_what_was_refused_once_is_refused_again() -> None:
    verifier = TokenVerifier(Cluster())  # type: ignore[arg-type]
    await verifier.verify(token())
    for bad in (token(OTHER_KEY), token(exp=NOW - 60), token(**{"kubernetes.io": {"namespace": "team"}})):
        for _ in range(2):
            with pytest.raises(Denied):
                await verifier.verify(bad)


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
    for path in (PATH_ORDERS, alive_path(UID, 0)):
        for bad in (b"", b"[]", b"{"):
            assert (await endpoint.post(path, f"Bearer {token()}", bad))[0] == 400


async def test_more_urls_with_those_of_arrays(endpoint: Endpoint) -> None:
    _, body = await endpoint.post(urls_path(UID, 0), f"Bearer {token()}", b'{"start":16,"arrays":true}')
    first, *_ = msgspec.json.decode(body, type=list[SegmentUrl])
    assert f"/{UID}/0/000016.json?method=PUT" in first.url
    assert f"/{UID}/0/000016.npz?method=PUT" in first.arrays


async def test_ended_is_a_hint_that_wakes_the_controller(endpoint: Endpoint) -> None:
    said = OrderRequest(EndedOrder(UID, 0))
    assert (await endpoint.post(PATH_ORDERS, f"Bearer {token()}", said))[0] == 410, "it gets no other"
    assert endpoint.controller.memory_of(OF).reported_ended
    assert await endpoint.controller.work_queue.get() == OF


async def test_a_store_that_is_down_is_told_without_its_words(endpoint: Endpoint) -> None:
    endpoint.store.pending.down = True
    assert await endpoint.post(PATH_ORDERS, f"Bearer {token()}") == (503, b'{"status": 503}')


def make(store: MemoryStore, of: Owner, made: Program, found: list[str]) -> Order:
    (expected,) = cost_estimate.shard_seconds(made)
    what = (made, encode(made))
    return builder.order(store.opened, only(of), what, found=found, left=100, expected=expected)  # type: ignore[arg-type]


async def test_an_order_names_what_earlier_attempts_have_written() -> None:
    store, of = MemoryStore(), new_owner()
    write_job(store.pending, of, [[result(0)], [result(1)]], last=False)  # type: ignore[arg-type]
    found = await builder.written(store.opened.pending, only(of))  # type: ignore[arg-type]
    assert found == ["000000", "000001"]
    order = make(store, of, long_program(of, 2), found)
    assert [each.name for each in order.found] == ["000000", "000001"]
    assert order.next[0].name == "000002"
    store.pending.put_once(order.last_key, b"anything")
    assert await builder.written(store.opened.pending, only(of)) == ["000000", "000001", "last"]  # type: ignore[arg-type]


def test_a_short_order_has_one_segment() -> None:
    store, of = MemoryStore(), new_owner()
    made = make(store, of, program(of, 1), [])
    assert (made.next, made.only) == ([], False)


def test_an_order_that_saves_arrays_has_urls_for_them_however_short_it_is() -> None:
    store, of = MemoryStore(), new_owner()
    plain = program(of, 2)
    saving = msgspec.structs.replace(
        plain, pubs=[plain.pubs[0], msgspec.structs.replace(plain.pubs[1], save=["Statevector"])]
    )
    assert make(store, of, plain, []).next == []
    first, *_ = urls = make(store, of, saving, ["000000"]).next
    assert len(urls) == limits.SEGMENT_URLS
    assert first.url.startswith(f"https://store/pending/{keys.segment(keys.Shard(of, 0), '000001')}?method=PUT")
    assert first.arrays.startswith(f"https://store/pending/{keys.arrays(keys.Shard(of, 0), '000001')}?method=PUT")


def test_a_dedicated_order_may_have_more_however_short_it_seems() -> None:
    store, of = MemoryStore(), new_owner()
    what = (program(of, 1), encode(program(of, 1)))
    made = builder.order(store.opened, only(of), what, found=[], left=100)  # type: ignore[arg-type]
    assert (made.only, len(made.next)) == (True, limits.SEGMENT_URLS)


def test_an_order_holds_urls_of_its_own_circuits_only() -> None:
    store, of = MemoryStore(), new_owner()
    one = program(of, 2)
    pubs = [msgspec.structs.replace(pub, circuit=Circuit("QPY", object=ObjectRef("a/b.qpy"))) for pub in one.pubs]
    order = make(store, of, msgspec.structs.replace(one, pubs=pubs), [])
    assert list(order.circuits) == ["a/b.qpy"]
    assert order.circuits["a/b.qpy"].startswith("https://store/circuits/team/a/b.qpy?method=GET")


def test_an_order_holds_the_url_of_its_noise_model() -> None:
    store, of = MemoryStore(), new_owner()
    backend = Backend(noise=Noise(object=ObjectRef("devices/small.json")))
    order = make(store, of, msgspec.structs.replace(program(of, 1), backend=backend), [])
    assert list(order.circuits) == ["devices/small.json"]


def test_urls_live_as_long_as_the_job_may() -> None:
    assert builder.url_seconds(-5) == builder.URL_SLACK_SECONDS
    assert builder.url_seconds(600) == 600 + builder.URL_SLACK_SECONDS
    assert builder.url_seconds(10**9) == 7 * 24 * 3600


def shared(name: str = "a", namespace: str = "team") -> str:
    """The bearer of a shared worker's token."""
    return f"Bearer {token(**bound(namespace, f'qj-shared-{name}-x', f'pod-shared-{name}'))}"


async def test_a_shared_worker_gets_one_order_after_the_other(endpoint: Endpoint) -> None:
    first, second = endpoint.offer("one"), endpoint.offer("two")
    code, body = await endpoint.post(PATH_ORDERS, shared())
    order = msgspec.json.decode(body, type=Order)
    assert (code, order.uid, order.only) == (200, first.uid, False)
    assert decode_program(order.program).uid == first.uid
    code, body = await endpoint.post(PATH_ORDERS, shared(), OrderRequest(EndedOrder(first.uid, 0)))
    assert (code, msgspec.json.decode(body, type=Order).uid) == (200, second.uid)
    assert (await endpoint.post(PATH_ORDERS, shared(), OrderRequest(EndedOrder(second.uid, 0))))[0] == 204
    assert (await endpoint.post(PATH_ORDERS, shared(), OrderRequest(leaving=True)))[0] == 410


async def test_a_dedicated_worker_s_order_is_its_only_one(endpoint: Endpoint) -> None:
    _, body = await endpoint.post(PATH_ORDERS, f"Bearer {token()}")
    assert msgspec.json.decode(body, type=Order).only


async def test_a_shared_worker_is_known_by_its_pod_alone(endpoint: Endpoint) -> None:
    endpoint.offer()
    for wrong in (shared("b"), shared(namespace="other")):
        assert (await endpoint.post(PATH_ORDERS, wrong))[0] == 403
    endpoint.set_container_state(Pod("team", "qj-shared-a-x", "pod-shared-a"), {"terminated": {"exitCode": 0}})
    assert (await endpoint.post(PATH_ORDERS, shared()))[0] == 403, "it has ended"


async def test_a_shared_worker_that_the_watch_has_not_brought_is_looked_up(endpoint: Endpoint) -> None:
    owner = endpoint.offer()
    for kind, name, forget in (
        (PODS, "qj-shared-a-x", endpoint.controller.cache.drop_pod),
        (JOBS, "qj-shared-a", endpoint.controller.cache.drop_job),
    ):
        forget(endpoint.kube.objects[kind, "team", name])
    code, body = await endpoint.post(PATH_ORDERS, shared())
    assert (code, msgspec.json.decode(body, type=Order).uid) == (200, owner.uid)


async def test_signs_of_life(endpoint: Endpoint) -> None:
    owner = endpoint.offer()
    await endpoint.post(PATH_ORDERS, shared())
    path = alive_path(owner.uid, 0)
    assert await endpoint.post(path, shared(), HeartbeatRequest(0, 1)) == (200, b"{}")
    endpoint.edit(owner, cancel=True)
    code, body = await endpoint.post(path, shared(), HeartbeatRequest(0, 1))
    assert (code, msgspec.json.decode(body, type=HeartbeatResponse)) == (200, HeartbeatResponse(stop=True))
    assert await endpoint.post(alive_path(UID, 0), f"Bearer {token()}", HeartbeatRequest(0, 1)) == (200, b"{}")


async def test_a_shared_worker_gets_more_urls_of_the_order_that_it_has(endpoint: Endpoint) -> None:
    owner = endpoint.offer()
    path = urls_path(owner.uid, 0)
    await endpoint.post(PATH_ORDERS, shared())
    code, body = await endpoint.post(path, shared(), b'{"start":16}')
    urls = msgspec.json.decode(body)
    assert (code, urls[0]["name"], len(urls)) == (200, "000016", limits.SEGMENT_URLS)
    assert f"/team/{owner.uid}/0/" in urls[0]["url"]
    for foreign in (UID, "nobody"):
        assert (await endpoint.post(urls_path(foreign, 0), shared(), b'{"start":16}'))[0] == 403


async def test_a_question_whose_asker_is_gone_takes_no_order(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that dies while it waits must not take an order with it."""
    pod = Pod("team", "qj-shared-a-x", "pod-shared-a")
    monkeypatch.setattr("quantumjob_operator.orders.service.POLL_SECONDS", 1000.0)
    question = asyncio.create_task(endpoint.ask(pod))
    await asyncio.sleep(0)
    question.cancel()
    with pytest.raises(asyncio.CancelledError):
        await question
    owner = endpoint.offer()
    assert only(owner) in endpoint.queue.of_namespace("team").waiting
