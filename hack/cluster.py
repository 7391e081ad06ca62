"""A cluster as the demo, the cluster tests and the benchmarks use it: the Kubernetes API, kubectl, the store's S3.

Looks at objects go through one client in this process. kubectl is for what is a command's own: port-forward, exec,
rollout, and tests of kubectl itself.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import math
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

from api_client import APPLY, MERGE, Api, NotFound, with_query
from quantumjob_contract.store import ROLES, Bucket, BucketConfig, Store

JSON = dict[str, Any]
T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[1]
SYSTEM = "quantumjob-system"
POLL_SECONDS = 0.1
FIELD_MANAGER: Final = "quantumjob-tests"
GROUPS: Final = {
    "quantumjobs": "/apis/quantumjobs.io/v1alpha1",
    "jobs": "/apis/batch/v1",
    "deployments": "/apis/apps/v1",
    "rolebindings": "/apis/rbac.authorization.k8s.io/v1",
}
"""The group of each kind that is not in the core."""
PLURALS: Final = {"ResourceQuota": "resourcequotas", "QuantumJob": "quantumjobs", "Pod": "pods"}
"""The kinds that `apply` takes."""


def kubeconfig() -> str:
    """Returns the path of KUBECONFIG, or that of the local node."""
    given = os.environ.get("KUBECONFIG")
    return given or _run([str(ROOT / "hack" / "node"), "kubeconfig"]).strip()


@functools.cache
def kubeconfig_once() -> str:
    """`kubeconfig`, looked up once."""
    return kubeconfig()


@functools.cache
def api() -> Api:
    """The client of this process."""
    return Api(kubeconfig_once())


def kubectl(*arguments: str, stdin: str | None = None, check: bool = True) -> str:
    """Runs kubectl and returns what it prints. Raises RuntimeError with its error text."""
    return _run(["kubectl", "--kubeconfig", kubeconfig_once(), *arguments], stdin=stdin, check=check)


def path(kind: str, namespace: str, name: str = "") -> str:
    """The URL path of the objects of a kind (its plural), or of one of them."""
    return f"{GROUPS.get(kind, '/api/v1')}/namespaces/{namespace}/{kind}" + (f"/{name}" if name else "")


def get(kind: str, name: str, namespace: str) -> JSON | None:
    """Returns the object, or None."""
    try:
        return api().ask("GET", path(kind, namespace, name))
    except NotFound:
        return None


def items(kind: str, namespace: str, selector: str = "") -> list[JSON]:
    """Lists the objects of a kind in a namespace."""
    query = {"labelSelector": selector} if selector else {}
    found: list[JSON] = api().ask("GET", path(kind, namespace), **query)["items"]
    return found


def create(kind: str, namespace: str, body: JSON) -> JSON:
    """Creates an object, with strict validation."""
    return api().ask("POST", path(kind, namespace), body, fieldValidation="Strict")


def apply(manifest: str | JSON, namespace: str) -> JSON:
    """Applies a manifest on the server's side, with strict validation."""
    body = yaml.safe_load(manifest) if isinstance(manifest, str) else manifest
    query = {"fieldManager": FIELD_MANAGER, "force": "true", "fieldValidation": "Strict"}
    where = path(PLURALS[body["kind"]], namespace, body["metadata"]["name"])
    applied: JSON = json.loads(api().request("PATCH", with_query(where, query), body, APPLY))
    return applied


def patch(kind: str, name: str, namespace: str, body: JSON) -> None:
    """Merges a patch into an object."""
    api().request("PATCH", path(kind, namespace, name), body, MERGE)


def delete(kind: str, name: str, namespace: str, *, wait_seconds: float = 0, grace_seconds: int | None = None) -> None:
    """Deletes an object. With `wait_seconds`, returns once it is gone."""
    body: JSON = {"propagationPolicy": "Background"}
    if grace_seconds is not None:
        body["gracePeriodSeconds"] = grace_seconds
    api().request("DELETE", path(kind, namespace, name), body)
    if wait_seconds:
        eventually(f"{kind}/{name} is gone", lambda: get(kind, name, namespace) is None, wait_seconds)


def delete_all(kind: str, namespace: str) -> None:
    """Deletes all objects of a kind, and does not wait."""
    api().request("DELETE", path(kind, namespace), {"propagationPolicy": "Background"})


def token(account: str, namespace: str, audiences: list[str] | None = None, bound_to: JSON | None = None) -> str:
    """Creates a token of a service account: for the API server unless audiences are given, and bound to an object."""
    spec = {"audiences": audiences or [], "boundObjectRef": bound_to}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    made: str = api().ask("POST", f"{path('serviceaccounts', namespace, account)}/token", body)["status"]["token"]
    return made


def eventually(what: str, probe: Callable[[], T | None], seconds: float = 60) -> T:
    """Returns the first true value of `probe`. Raises TimeoutError, with its last value, after that many seconds."""
    deadline = time.monotonic() + seconds
    while not (value := probe()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}; last seen: {value!r}")
        time.sleep(POLL_SECONDS)
    return value


def watch_until(kind: str, name: str, namespace: str, probe: Callable[[JSON], bool], seconds: float = 60) -> JSON:
    """Watches an object until `probe` is true of it. Raises TimeoutError with its last state."""
    deadline = time.monotonic() + seconds
    last: JSON | str = "nothing"
    while (left := deadline - time.monotonic()) > 0:
        try:
            for last in _states(kind, name, namespace, left):
                if probe(last):
                    return last
        except RuntimeError as error:  # the API server may be away for a while
            last = str(error)
        time.sleep(min(POLL_SECONDS, left))
    raise TimeoutError(f"not within {seconds:.0f} s: {namespace}/{name}; last seen: {last}")


def _states(kind: str, name: str, namespace: str, seconds: float) -> Iterator[JSON]:
    """Yields the object as it is, and as it becomes for so long."""
    where, one = path(kind, namespace), {"fieldSelector": f"metadata.name={name}"}
    listed = api().ask("GET", where, **one)
    yield from listed["items"]
    version, limit = listed["metadata"]["resourceVersion"], str(math.ceil(seconds))
    for line in api().lines(where, seconds, watch="1", resourceVersion=version, timeoutSeconds=limit, **one):
        event = json.loads(line)
        if event["type"] == "ERROR":
            return
        if event["type"] != "DELETED":
            yield event["object"]


def condition(quantumjob: JSON, kind: str) -> JSON:
    """Returns a condition of a resource; empty if there is none of the kind."""
    found = quantumjob.get("status", {}).get("conditions", [])
    return next((each for each in found if each["type"] == kind), {})


def finished(name: str, namespace: str, seconds: float = 120) -> JSON:
    """Returns the QuantumJob once it is Complete or Failed."""

    def ended(found: JSON) -> bool:
        return any(condition(found, kind).get("status") == "True" for kind in ("Complete", "Failed"))

    try:
        return watch_until("quantumjobs", name, namespace, ended, seconds)
    except TimeoutError as error:
        described = kubectl("describe", "quantumjob", name, "-n", namespace, check=False)
        raise TimeoutError(f"{error}\n{described}") from None


@contextlib.contextmanager
def forwarded(target: str, port: int, namespace: str = SYSTEM) -> Iterator[int]:
    """Forwards a local port to a port of a pod or service, while the block runs."""
    command = ["kubectl", "--kubeconfig", kubeconfig_once(), "port-forward", "-n", namespace, target, f":{port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            found = re.search(r"127\.0\.0\.1:(\d+)", line)
            if not found:
                raise RuntimeError(f"kubectl could not forward to {target}")
            yield int(found[1])
        finally:
            process.terminate()


@contextlib.contextmanager
def store() -> Iterator[Store]:
    """The quickstart's three buckets, with the installation's own credentials."""
    secret = get("secrets", "quantumjob-store", SYSTEM)
    config = get("configmaps", "quantumjob-store", SYSTEM)
    if secret is None or config is None:
        raise RuntimeError("the quickstart is not installed: hack/quickstart")
    read = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
    with forwarded("service/seaweedfs", 8333) as port:
        configs = (
            BucketConfig(
                endpoint=f"https://localhost:{port}",
                bucket=config["data"].get(f"{role}-bucket", f"quantumjob-{role}"),
                access_key=read["access-key"],
                secret_key=read["secret-key"],
                ca_pem=read.get("ca.crt", ""),
            )
            for role in ROLES
        )
        yield Store(*(Bucket(each) for each in configs))


def _run(command: list[str], *, stdin: str | None = None, check: bool = True) -> str:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:6])} ...: {done.stderr.strip()}")
    return done.stdout if done.returncode == 0 else done.stdout + done.stderr
