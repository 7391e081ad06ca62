"""No key and no right where none is needed."""

from __future__ import annotations

import base64
import json

import pytest
from conftest import LONG, Namespace, pub
from order_requests import ask, bound_token, plain_pod, worker_image

import cluster
from quantumjob_contract import names, transfer
from quantumjob_contract.schema.orders import PATH_ORDERS

PROBE = """
import json, os, pathlib
children = [p for p in pathlib.Path('/proc').glob('[0-9]*') if p.name not in ('self', str(os.getpid()))]
def read(p):
    try: return p.read_bytes().decode(errors='replace')
    except OSError as e: return type(e).__name__
def links(p):
    try: return sorted(os.readlink(x) for x in p.iterdir())
    except OSError as e: return type(e).__name__
print(json.dumps({
    'environment': dict(os.environ),
    'mounts': read(pathlib.Path('/proc/mounts')),
    'processes': {p.name: {'cmd': read(p/'cmdline'), 'parent': read(p/'stat').split()[3], 'env': read(p/'environ'),
                           'fds': links(p/'fd')} for p in children if (p/'cmdline').exists()},
    'token': read(pathlib.Path(os.environ['QUANTUMJOB_TOKEN_FILE'])),
}))
"""


@pytest.fixture
def inside(namespace: Namespace, way: str) -> tuple[str, dict]:  # type: ignore[type-arg]
    """The name of a running worker's pod, and what a process in it can see."""
    namespace.apply("seen", *(pub(f"p{number}", LONG) for number in range(4)))
    pod = namespace.running("seen")["metadata"]["name"]

    def look() -> tuple[str, dict] | None:  # type: ignore[type-arg]
        seen = json.loads(cluster.kubectl("exec", "-n", namespace.name, pod, "--", "python3", "-c", PROBE))
        return (pod, seen) if children_of(seen) else None

    return cluster.eventually("a child runs", look)


def children_of(seen: dict) -> list[dict]:  # type: ignore[type-arg]
    """The processes that parse and simulate: the fork server's children."""
    workers = {pid: process for pid, process in seen["processes"].items() if "quantumjob" in process["cmd"]}
    return [process for process in workers.values() if process["parent"] in workers and process["parent"] != "1"]


def claims(token: str) -> dict:  # type: ignore[type-arg]
    part = token.split(".")[1]
    decoded: dict = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))  # type: ignore[type-arg]
    return decoded


def test_a_worker_holds_nothing_but_its_order_token(inside: tuple[str, dict], namespace: Namespace) -> None:  # type: ignore[type-arg]
    _, seen = inside
    config = namespace.store.pending.config
    text = json.dumps(seen)
    assert config.access_key not in text
    assert config.secret_key not in text
    assert "/var/run/secrets/kubernetes.io" not in seen["mounts"]
    assert claims(seen["token"])["aud"] == [names.AUDIENCE]
    assert not any("AWS" in name or "SECRET" in name for name in seen["environment"])
    assert cluster.items("secrets", namespace.name) == []


def test_a_child_has_no_token_and_no_descriptor_that_leads_out(inside: tuple[str, dict]) -> None:  # type: ignore[type-arg]
    """Its environment is cleared (the kernel still shows what the container started with), its pipe is all it has."""
    _, seen = inside
    for process in children_of(seen):
        assert seen["token"] not in process["env"]
        assert isinstance(process["fds"], list)
        assert len([link for link in process["fds"] if link.startswith("socket:")]) <= 1
        # The fork server keeps the rules by which its children shut themselves in; they lead nowhere.
        links = [link for link in process["fds"] if link != "anon_inode:[landlock-ruleset]"]
        assert {link.split(":")[0] for link in links} <= {"/dev/null", "socket", "pipe"}, process["fds"]


def asked(port: int, token: str | None) -> int:
    """What a question for an order gets."""
    return ask(port, PATH_ORDERS, token, {})[0]


def test_the_order_token_opens_the_order_endpoint_only(
    inside: tuple[str, dict],
    namespace: Namespace,
    other_namespace: Namespace,  # type: ignore[type-arg]
    way: str,
) -> None:
    pod, seen = inside
    uid = namespace.get("seen")["metadata"]["uid"]
    stranger = plain_pod(namespace, {names.LABEL_WORKER: names.DEDICATED, names.LABEL_UID: uid})
    elsewhere = plain_pod(other_namespace)
    fellow = plain_pod(namespace, {names.LABEL_WORKER: names.SHARED}, "fellow")
    with cluster.forwarded("service/quantumjob-operator", 8443) as port:
        assert asked(port, seen["token"]) == 200
        assert asked(port, None) == 401
        assert asked(port, "x.y.z") == 401
        assert asked(port, bound_token(pod, namespace.name, "https://kubernetes.default.svc.cluster.local")) == 401
        unbound = cluster.kubectl("create", "token", "default", "-n", namespace.name, f"--audience={names.AUDIENCE}")
        assert asked(port, unbound.strip()) == 401
        assert asked(port, bound_token(stranger, namespace.name)) == 403, "it carries a worker's label, and is none"
        assert asked(port, bound_token(fellow, namespace.name)) == 403, "the same of a shared worker's label"
        assert asked(port, bound_token(elsewhere, other_namespace.name)) == 403
        cluster.kubectl("delete", "qj", "seen", "-n", namespace.name)
        if way == "shared":
            cluster.kubectl("delete", "job", "--all", "-n", namespace.name, "--wait=false")
        cluster.eventually("the pod is gone", lambda: cluster.get("pod", pod, namespace.name) is None)
        assert asked(port, seen["token"]) == 403, "a replay after the pod is gone"
    view = json.loads(cluster.kubectl("config", "view", "--minify", "--flatten", "-o", "json"))["clusters"][0][
        "cluster"
    ]
    http = transfer.pool(base64.b64decode(view["certificate-authority-data"]).decode())
    url = f"{view['server']}/api/v1/namespaces"
    answer = http.request("GET", url, headers={"Authorization": f"Bearer {seen['token']}"}, retries=False)
    assert answer.status == 401


READ = {"get", "list", "watch"}
GRANTED = {
    "quantumjob-operator": {
        "events.events.k8s.io": {"create"},
        "jobs.batch": READ | {"create", "delete"},
        "pods": READ,
        "quantumjobs.quantumjobs.io": READ,
        "quantumjobs.quantumjobs.io/status": {"patch"},
    },
    "quantumjob-reconciler": {
        "events.events.k8s.io": {"create"},
        "jobs.batch": READ - {"watch"},
        "pods": READ - {"watch"},
        "quantumjobs.quantumjobs.io": READ - {"watch"},
        "quantumjobs.quantumjobs.io/status": {"patch"},
    },
    "default": {},
}


@pytest.mark.parametrize("account", list(GRANTED))
def test_rights_as_the_api_server_sees_them(account: str) -> None:
    """What every authenticated account may do (ask what it may do, read the API's description) is left out."""
    who = f"--as=system:serviceaccount:{cluster.SYSTEM}:{account}"
    text = cluster.kubectl("auth", "can-i", "--list", who, "-n", "default")
    rows = [line for line in text.splitlines()[1:] if not line.startswith(("selfsubject", " "))]
    granted = {row.split()[0]: set(row.rpartition("[")[2].rstrip("] ").split()) for row in rows}
    assert granted == GRANTED[account]
    for verb in ("get", "list", "create", "delete"):
        answer = cluster.kubectl("auth", "can-i", verb, "secrets", who, "-n", "default", check=False)
        assert answer.strip().startswith("no")


@pytest.mark.usefixtures("way")
def test_the_operators_own_words_hold_no_credentials(namespace: Namespace) -> None:
    namespace.apply("bell", pub("a"))
    job = namespace.finished("bell")
    (pod,) = cluster.eventually("its worker's log can be read", lambda: namespace.runs(job))
    config = namespace.store.pending.config
    told = "".join(
        [
            cluster.kubectl("logs", "-n", cluster.SYSTEM, "deployment/quantumjob-operator"),
            cluster.kubectl("logs", "-n", namespace.name, pod),
            cluster.kubectl("get", "all,events,qj", "-n", namespace.name, "-o", "yaml"),
        ]
    )
    assert config.access_key not in told
    assert config.secret_key not in told
    assert "X-Amz-Signature" not in told


def test_any_uid_serves(namespace: Namespace) -> None:
    """A worker runs under a UID like OpenShift's, on a read-only root."""
    image = worker_image()
    context = {
        "runAsUser": 1000680000,
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    code = "import quantumjob_worker.child, qiskit_aer; print('imported')"
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "uid"},
        "spec": {
            "restartPolicy": "Never",
            "containers": [
                {
                    "name": "c",
                    "image": image,
                    "command": ["python", "-c", code],
                    "securityContext": context,
                    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
                }
            ],
            "volumes": [{"name": "tmp", "emptyDir": {}}],
        },
    }
    cluster.apply(body, namespace.name)
    cluster.kubectl(
        "wait", "pod/uid", "-n", namespace.name, "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s"
    )
    assert cluster.kubectl("logs", "uid", "-n", namespace.name).strip() == "imported"
