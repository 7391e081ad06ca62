"""The order endpoint: a worker's token opens it for the worker's own job, and no other token does."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime

import jwt
import node_faults
import operator_deployment
from namespaces import ENDLESS, Namespace, pub
from order_requests import account_token, mounted_token, plain_pod, post

import cluster
from quantumjob_contract import names, transfer
from quantumjob_contract.schema.orders import PATH_ORDERS, alive_path, urls_path

KUBERNETES = "https://kubernetes.default.svc.cluster.local"
"""The audience of the API server's own tokens."""


def order_status(port: int, token: str | None) -> int:
    """Requests an order; returns the HTTP status."""
    return post(port, PATH_ORDERS, token, {})[0]


def test_an_order_token_opens_the_order_endpoint_only(
    namespace: Namespace, other_namespace: Namespace, workers: str
) -> None:
    namespace.apply("seen", pub("a", ENDLESS))
    pod = namespace.running("seen")["metadata"]["name"]
    token = mounted_token(pod, namespace)
    uid = namespace.get("seen")["metadata"]["uid"]
    stranger = plain_pod(namespace, {names.LABEL_WORKER: names.DEDICATED, names.LABEL_UID: uid})
    elsewhere = plain_pod(other_namespace)
    fellow = plain_pod(namespace, {names.LABEL_WORKER: names.SHARED}, "fellow")
    with cluster.forwarded("service/quantumjob-operator", 8443) as port:
        assert order_status(port, token) == 200
        assert order_status(port, None) == 401
        assert order_status(port, "x.y.z") == 401
        assert order_status(port, account_token(namespace.name, KUBERNETES, pod)) == 401, "for another audience"
        assert order_status(port, account_token(namespace.name)) == 401, "bound to no pod"
        for other in (stranger, fellow):  # which carry a worker's labels, and are no workers
            assert order_status(port, account_token(namespace.name, pod=other)) == 403
        assert order_status(port, account_token(other_namespace.name, pod=elsewhere)) == 403
        namespace.delete("seen")
        if workers == names.SHARED:
            namespace.delete_jobs()
        cluster.eventually("the pod is gone", lambda: cluster.get("pods", pod, namespace.name) is None)
        assert order_status(port, token) == 403, "a replay after the pod is gone"
    view = json.loads(cluster.kubectl("config", "view", "--minify", "--flatten", "-o", "json"))["clusters"][0][
        "cluster"
    ]
    http = transfer.pool(base64.b64decode(view["certificate-authority-data"]).decode())
    url = f"{view['server']}/api/v1/namespaces"
    answer = http.request("GET", url, headers={"Authorization": f"Bearer {token}"}, retries=False)
    assert answer.status == 401


def expired(token: str) -> str:
    """Returns the same token with its time over, signed by the cluster's key: to wait would take an hour."""
    claims = jwt.decode(token, options={"verify_signature": False})
    late = claims | {"iat": claims["iat"] - 7200, "nbf": claims["nbf"] - 7200, "exp": int(time.time()) - 60}
    header = {"kid": jwt.get_unverified_header(token)["kid"]}
    return jwt.encode(late, node_faults.service_account_key(), algorithm="RS256", headers=header)


def refusals() -> float:
    """Reads from the operator's metrics how many requests it has refused."""
    with cluster.forwarded("deployment/quantumjob-operator", 8080) as port:
        text = transfer.pool("").request("GET", f"http://localhost:{port}/metrics").data.decode()
    lines = [line for line in text.splitlines() if line.startswith("quantumjob_orders_refused_total")]
    assert lines, text[:2000]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


@node_faults.local_only
def test_only_a_worker_of_the_job_gets_its_urls(namespace: Namespace, other_namespace: Namespace) -> None:
    namespace.apply("ours", pub("a", ENDLESS))
    other_namespace.apply("theirs", pub("a", ENDLESS))
    worker = namespace.running("ours")["metadata"]["name"]
    other_namespace.running("theirs")
    ours, theirs = namespace.get("ours"), other_namespace.get("theirs")
    token = mounted_token(worker, namespace)
    no_worker = account_token(namespace.name, pod=plain_pod(namespace, {names.LABEL_WORKER: names.SHARED}))
    since = datetime.now(UTC).isoformat()
    urls_of_theirs = urls_path(theirs["metadata"]["uid"], 0)
    urls_of_ours = urls_path(ours["metadata"]["uid"], 0)
    with cluster.forwarded("service/quantumjob-operator", 8443) as port:
        assert post(port, urls_of_ours, token, {"start": 3})[0] == 200, "the token is good"
        assert post(port, urls_of_theirs, token, {"start": 0})[0] == 403
        answer = post(port, alive_path(theirs["metadata"]["uid"], 0), token, {"done": 0, "total": 1})
        assert answer in ((403, {"status": 403}), (200, {"stop": True})), "as if the job did not exist"
        for bad, status in ((None, 401), ("x.y.z", 401), (token[:-8] + "AAAAAAAA", 401), (expired(token), 401)):
            for path, body in ((urls_of_ours, {"start": 0}), (PATH_ORDERS, {})):
                assert post(port, path, bad, body)[0] == status
        assert post(port, urls_of_ours, no_worker, {"start": 0})[0] == 403
        assert post(port, PATH_ORDERS, no_worker, {})[0] == 403
        namespace.delete_jobs()
        cluster.eventually("the pod is gone", lambda: cluster.get("pods", worker, namespace.name) is None, 45)
        assert post(port, urls_of_ours, token, {"start": 0})[0] == 403, "a replay"
        assert post(port, PATH_ORDERS, token, {})[0] == 403
    assert other_namespace.get("theirs")["status"]["phase"] == "Running"
    log = operator_deployment.log(since)
    refused = [(line["status"], line["path"]) for line in log if line["message"] == "Order refused"]
    assert {(401, PATH_ORDERS), (403, PATH_ORDERS), (401, urls_of_ours), (403, urls_of_theirs)} <= set(refused)
    assert refusals() >= len(refused) >= 13
