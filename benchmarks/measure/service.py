"""Measures the REST service: submits alternating with creates, many at once, and the time to a result."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from benchmarks import jobs
from benchmarks.figures.basic import Rate
from benchmarks.figures.service import RestFigures
from benchmarks.measure import pods
from benchmarks.measure.bench import Bench
from benchmarks.measure.small import namespace_with_worker
from benchmarks.namespaces import BELL, BenchNamespace
from benchmarks.watcher import now
from cluster import SYSTEM, get, kubectl
from quantumjob_contract import transfer

JSON = dict[str, Any]
WARM_UP: Final = 10
SERVICE: Final = "quantumjob-api"
URL: Final = "QUANTUMJOB_BENCHMARK_REST_URL"
"""Variable with the service's URL, if this machine cannot reach the cluster's addresses."""


class TokenClient:
    """An HTTP client with one token."""

    def __init__(self, url: str, ca_pem: str, token: str, name: str | None = None) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._http = transfer.pool(ca_pem, size=32, timeout=90.0)
        if name:
            self._http.connection_pool_kw |= {"assert_hostname": name, "server_hostname": name}

    def request(self, method: str, path: str, body: JSON | None = None, **headers: str) -> tuple[float, bytes]:
        """Returns the seconds of the request, and the body. Raises RuntimeError."""
        started = now()
        answer = self._http.request(method, self._url + path, json=body, headers=self._headers | headers, retries=False)
        took = now() - started
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: HTTP {answer.status}: {answer.data[:300].decode()}")
        return took, answer.data


def rest(bench: Bench, count: int, at_once: int, many: int) -> RestFigures:
    """Measures in a new namespace. Submits run without the operator: running the submitted jobs would take processor
    time from both sides, and more from the service, since it is a pod. Then the operator runs all of them, and the
    time to a result is measured.
    """
    bench.log(f"{count} submits by REST and {count} alternating creates; then {many} of each, {at_once} at once")
    namespace = namespace_with_worker(bench.cluster)
    token = user_token(namespace)
    direct, service = api_server(token), rest_service(token)
    path = BELL.kind.path(namespace.name)
    where = f"/v1/namespaces/{namespace.name}/jobs"
    spec = BELL.body["spec"]

    def create(name: str) -> float:
        return direct.request("POST", path, jobs.named(BELL.body, name))[0]

    def submit(name: str, **headers: str) -> float:
        return service.request("POST", where, {"name": name, "spec": spec}, **headers)[0]

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
    namespace.wait_complete(BELL, [f"{kind}-{index}" for kind, number in kinds.items() for index in range(number)])
    results = [_result_after(namespace, service, where, f"result-{index}", spec) for index in range(min(count, 50))]
    namespace.delete_all()
    return RestFigures(creates, submits, keyed, results, rates["direct"], rates["rest"], at_once)


def _result_after(namespace: BenchNamespace, service: TokenClient, where: str, name: str, spec: JSON) -> float:
    service.request("POST", where, {"name": name, "spec": spec})
    service.request("GET", f"{where}/{name}?wait=60")
    service.request("GET", f"{where}/{name}/result")
    received = now()
    return received - namespace.wait_complete(BELL, [name])[name].seconds


def user_token(namespace: BenchNamespace) -> str:
    """Returns a token of a service account with the role `edit` in the namespace."""
    kubectl("create", "serviceaccount", "bench", "-n", namespace.name)
    who = f"--serviceaccount={namespace.name}:bench"
    kubectl("create", "rolebinding", "bench", "-n", namespace.name, "--clusterrole=edit", who)
    return kubectl("create", "token", "bench", "-n", namespace.name).strip()


def api_server(token: str) -> TokenClient:
    """Returns a client of the API server as kubectl reaches it, with this token."""
    server = kubectl("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}").strip()
    found = get("configmaps", "kube-root-ca.crt", SYSTEM)
    return TokenClient(server, found["data"]["ca.crt"] if found else "", token)


def rest_service(token: str) -> TokenClient:
    """Returns a client of the REST service at its address in the cluster, or at the URL of the environment."""
    service, authority = get("services", SERVICE, SYSTEM), get("configmaps", f"{SERVICE}-ca", SYSTEM)
    if service is None or authority is None:
        raise RuntimeError("the REST service is not installed: hack/quickstart")
    url = os.environ.get(URL) or f"https://{service['spec']['clusterIP']}"
    return TokenClient(url, authority["data"]["ca.crt"], token, f"{SERVICE}.{SYSTEM}.svc")
