"""A cluster as the demo, the cluster tests and the benchmarks see it: by kubectl, and by the store's own S3."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from quantumjob_contract.store import ROLES, Bucket, BucketConfig, Store

JSON = dict[str, Any]
T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[1]
SYSTEM = "quantumjob-system"
POLL_SECONDS = 0.1


def kubeconfig() -> str:
    """The kubeconfig of the given cluster, or of the local node."""
    given = os.environ.get("KUBECONFIG")
    return given or _run([str(ROOT / "hack" / "node"), "kubeconfig"]).strip()


def kubectl(*arguments: str, stdin: str | None = None, check: bool = True) -> str:
    """What kubectl prints. Raises RuntimeError with its error's text."""
    return _run(["kubectl", "--kubeconfig", kubeconfig_once(), *arguments], stdin=stdin, check=check)


_kubeconfig: list[str] = []


def kubeconfig_once() -> str:
    """`kubeconfig`, asked for once."""
    if not _kubeconfig:
        _kubeconfig.append(kubeconfig())
    return _kubeconfig[0]


def get(kind: str, name: str, namespace: str) -> JSON | None:
    """The object, or None."""
    text = kubectl("get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found")
    return json.loads(text) if text.strip() else None


def items(kind: str, namespace: str, selector: str = "") -> list[JSON]:
    """All objects of a kind in a namespace."""
    selected = ["-l", selector] if selector else []
    found: list[JSON] = json.loads(kubectl("get", kind, "-n", namespace, "-o", "json", *selected))["items"]
    return found


def apply(manifest: str | JSON, namespace: str) -> str:
    """kubectl apply of a text or an object, with strict validation."""
    text = manifest if isinstance(manifest, str) else json.dumps(manifest)
    return kubectl("apply", "-n", namespace, "--validate=strict", "-f", "-", stdin=text)


def eventually(what: str, probe: Callable[[], T | None], seconds: float = 60) -> T:
    """The first value of `probe` that is true. Raises TimeoutError after that many seconds."""
    deadline = time.monotonic() + seconds
    while not (value := probe()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}")
        time.sleep(POLL_SECONDS)
    return value


@contextlib.contextmanager
def forwarded(target: str, port: int, namespace: str = SYSTEM) -> Iterator[int]:
    """A local port that leads to a port of a pod or service, while the block runs."""
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
    secret = get("secret", "quantumjob-store", SYSTEM)
    config = get("configmap", "quantumjob-store", SYSTEM)
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


def condition(quantumjob: JSON, kind: str) -> JSON:
    """A condition of a resource; empty if it is not there."""
    found = quantumjob.get("status", {}).get("conditions", [])
    return next((each for each in found if each["type"] == kind), {})


def finished(name: str, namespace: str, seconds: float = 120) -> JSON:
    """The QuantumJob, once it is Complete or Failed."""

    def probe() -> JSON | None:
        found = get("quantumjob", name, namespace)
        ended = found and any(condition(found, kind).get("status") == "True" for kind in ("Complete", "Failed"))
        return found if ended else None

    try:
        return eventually(f"{namespace}/{name} ends", probe, seconds)
    except TimeoutError as error:
        described = kubectl("describe", "quantumjob", name, "-n", namespace, check=False)
        raise TimeoutError(f"{error}\n{described}") from None


def _run(command: list[str], *, stdin: str | None = None, check: bool = True) -> str:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:6])} ...: {done.stderr.strip()}")
    return done.stdout if done.returncode == 0 else done.stdout + done.stderr
