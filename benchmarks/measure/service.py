"""The REST service: submits against creates, in turn; many at once; and how soon a result is here."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from benchmarks import jobs
from benchmarks.figures.basic import Rate
from benchmarks.figures.service import Rest
from benchmarks.measure import pods
from benchmarks.measure.bench import Bench
from benchmarks.measure.small import with_worker
from benchmarks.namespaces import BELL, Space
from benchmarks.watcher import now
from cluster import SYSTEM, get, kubectl
from quantumjob_contract import transfer

JSON = dict[str, Any]
WARM_UP: Final = 10
SERVICE: Final = "quantumjob-api"
URL: Final = "QUANTUMJOB_BENCHMARK_REST_URL"
"""Where the service is, if this machine cannot reach the cluster's own addresses."""


class Door:
    """A server that is asked with one token."""

    def __init__(self, url: str, ca_pem: str, token: str, name: str | None = None) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._http = transfer.pool(ca_pem, size=32, timeout=90.0)
        if name:
            self._http.connection_pool_kw |= {"assert_hostname": name, "server_hostname": name}

    def ask(self, method: str, path: str, body: JSON | None = None, **headers: str) -> tuple[float, bytes]:
        """Seconds that it took, and the answer. Raises RuntimeError."""
        started = now()
        answer = self._http.request(method, self._url + path, json=body, headers=self._headers | headers, retries=False)
        took = now() - started
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: HTTP {answer.status}: {answer.data[:300].decode()}")
        return took, answer.data


def rest(bench: Bench, count: int, at_once: int, many: int) -> Rest:
    """In a fresh namespace. Submits are measured without the operator: to run what was submitted before would take the
    processors of both, and of the service more, since it is a pod. Then it runs them all, and results are waited for.
    """
    bench.say(f"{count} submits by REST and {count} creates, in turn; then {many} of each, {at_once} at once")
    space = with_worker(bench.cluster)
    token = account(space)
    direct, service = api_server(token), rest_service(token)
    path = BELL.kind.path(space.name)
    where = f"/v1/namespaces/{space.name}/jobs"
    spec = BELL.body["spec"]

    def create(name: str) -> float:
        return direct.ask("POST", path, jobs.named(BELL.body, name))[0]

    def submit(name: str, **headers: str) -> float:
        return service.ask("POST", where, {"name": name, "spec": spec}, **headers)[0]

    creates, submits, keyed, rates = [], [], [], {}
    with pods.no_operator(bench.cluster.api):
        for index in range(WARM_UP):
            create(f"warm-direct-{index}")
            submit(f"warm-rest-{index}")
        for index in range(count):
            creates.append(create(f"direct-{index}"))
            submits.append(submit(f"rest-{index}"))
            keyed.append(submit(f"keyed-{index}", **{"Idempotency-Key": f"key-{index}"}))
        for kind, work in (("direct", create), ("rest", submit)):
            started = now()
            with ThreadPoolExecutor(at_once) as pool:
                list(pool.map(work, [f"many-{kind}-{index}" for index in range(many)]))
            rates[kind] = Rate(many, now() - started)
    kinds = {"warm-direct": WARM_UP, "warm-rest": WARM_UP, "direct": count, "rest": count, "keyed": count}
    kinds |= {"many-direct": many, "many-rest": many}
    space.complete(BELL, [f"{kind}-{index}" for kind, number in kinds.items() for index in range(number)])
    results = [_result_after(space, service, where, f"result-{index}", spec) for index in range(min(count, 50))]
    space.clean()
    return Rest(creates, submits, keyed, results, rates["direct"], rates["rest"], at_once)


def _result_after(space: Space, service: Door, where: str, name: str, spec: JSON) -> float:
    service.ask("POST", where, {"name": name, "spec": spec})
    service.ask("GET", f"{where}/{name}?wait=60")
    service.ask("GET", f"{where}/{name}/result")
    here = now()
    return here - space.complete(BELL, [name])[name].seconds


def account(space: Space) -> str:
    """A token of one who may edit in the namespace."""
    kubectl("create", "serviceaccount", "bench", "-n", space.name)
    who = f"--serviceaccount={space.name}:bench"
    kubectl("create", "rolebinding", "bench", "-n", space.name, "--clusterrole=edit", who)
    return kubectl("create", "token", "bench", "-n", space.name).strip()


def api_server(token: str) -> Door:
    """The API server as kubectl reaches it, but with this token."""
    server = kubectl("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}").strip()
    found = get("configmap", "kube-root-ca.crt", SYSTEM)
    return Door(server, found["data"]["ca.crt"] if found else "", token)


def rest_service(token: str) -> Door:
    """The REST service at its own address in the cluster, or where URL says."""
    service, authority = get("service", SERVICE, SYSTEM), get("configmap", f"{SERVICE}-ca", SYSTEM)
    if service is None or authority is None:
        raise RuntimeError("the REST service is not installed: hack/quickstart")
    url = os.environ.get(URL) or f"https://{service['spec']['clusterIP']}"
    return Door(url, authority["data"]["ca.crt"], token, f"{SERVICE}.{SYSTEM}.svc")
