"""Credentials and rights: no process holds any that it does not need."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from namespaces import ENDLESS, Namespace, pub
from order_requests import worker_image

import cluster
from quantumjob_contract import names

JSON = dict[str, Any]

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
    'processes': {p.name: {'pid': p.name, 'cmd': read(p/'cmdline'), 'parent': read(p/'stat').split()[3],
                           'env': read(p/'environ'), 'fds': links(p/'fd')} for p in children if (p/'cmdline').exists()},
    'token': read(pathlib.Path(os.environ['QUANTUMJOB_TOKEN_FILE'])),
}))
"""


@pytest.fixture
def inside(namespace: Namespace, workers: str) -> JSON:
    """What a process in the pod of a running worker can see."""
    namespace.apply("seen", pub("a", ENDLESS))
    pod = namespace.running("seen")["metadata"]["name"]
    earlier: set[str] = set()

    def look() -> JSON | None:
        """A child that has just been forked is not confined yet, so all must have been seen before."""
        seen: JSON = json.loads(namespace.exec(pod, "python3", "-c", PROBE))
        children = {process["pid"] for process in children_of(seen)}
        settled = bool(children) and children <= earlier
        earlier.update(children)
        return seen if settled else None

    return cluster.eventually("a child runs", look)


def children_of(seen: JSON) -> list[JSON]:
    """Selects the processes that parse and simulate: the fork server's children."""
    workers = {pid: process for pid, process in seen["processes"].items() if "quantumjob" in process["cmd"]}
    return [process for process in workers.values() if process["parent"] in workers and process["parent"] != "1"]


def claims(token: str) -> JSON:
    """Decodes the claims of a token."""
    part = token.split(".")[1]
    decoded: JSON = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return decoded


def test_a_worker_holds_only_its_order_token(inside: JSON, namespace: Namespace) -> None:
    config = namespace.store.pending.config
    text = json.dumps(inside)
    assert config.access_key not in text
    assert config.secret_key not in text
    assert "/var/run/secrets/kubernetes.io" not in inside["mounts"]
    assert claims(inside["token"])["aud"] == [names.AUDIENCE]
    assert not any("AWS" in name or "SECRET" in name for name in inside["environment"])
    assert cluster.items("secrets", namespace.name) == []


def test_a_child_has_no_token_and_no_way_out(inside: JSON) -> None:
    """Its environment is cleared (the kernel still shows that of the container), and it has only its pipe."""
    for process in children_of(inside):
        assert inside["token"] not in process["env"]
        assert isinstance(process["fds"], list)
        assert len([link for link in process["fds"] if link.startswith("socket:")]) <= 1
        # The fork server keeps the Landlock rules of its children; such a descriptor gives no access.
        links = [link for link in process["fds"] if link != "anon_inode:[landlock-ruleset]"]
        assert {link.split(":")[0] for link in links} <= {"/dev/null", "socket", "pipe"}, process["fds"]


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
def test_the_api_server_grants_these_rights_only(account: str) -> None:
    """Without those of every authenticated account: asking for its rights, reading the API's description."""
    who = f"--as=system:serviceaccount:{cluster.SYSTEM}:{account}"
    text = cluster.kubectl("auth", "can-i", "--list", who, "-n", "default")
    rows = [line for line in text.splitlines()[1:] if not line.startswith(("selfsubject", " "))]
    granted = {row.split()[0]: set(row.rpartition("[")[2].rstrip("] ").split()) for row in rows}
    assert granted == GRANTED[account]
    for verb in ("get", "list", "create", "delete"):
        answer = cluster.kubectl("auth", "can-i", verb, "secrets", who, "-n", "default", check=False)
        assert answer.strip().startswith("no")


@pytest.mark.usefixtures("workers")
def test_logs_and_objects_hold_no_credentials(namespace: Namespace) -> None:
    namespace.apply("bell", pub("a"))
    job = namespace.finished("bell")
    (pod,) = cluster.eventually("the worker's log shows the order", lambda: namespace.runs(job))
    config = namespace.store.pending.config
    shown = "".join(
        [
            cluster.kubectl("logs", "-n", cluster.SYSTEM, "deployment/quantumjob-operator"),
            namespace.log_text(pod),
            cluster.kubectl("get", "all,events,qj", "-n", namespace.name, "-o", "yaml"),
        ]
    )
    assert config.access_key not in shown
    assert config.secret_key not in shown
    assert "X-Amz-Signature" not in shown


def test_a_worker_image_runs_under_any_uid(namespace: Namespace) -> None:
    """Under a UID like OpenShift's, on a read-only root."""
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
    namespace.start_pod(body)
    cluster.watch_until("pods", "uid", namespace.name, lambda pod: pod["status"]["phase"] == "Succeeded", 120)
    assert namespace.log_text("uid").strip() == "imported"
