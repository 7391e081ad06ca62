"""The manifests as kustomize renders them, and the CRD's schema field by field."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

JSON = dict[str, Any]

ROOT = Path(__file__).resolve().parents[3]
MANIFESTS = ROOT / "manifests"
WITH_API = ("overlays/quickstart", "overlays/quickstart-ingress", "overlays/quickstart-route", "overlays/openshift-api")
INSTALLS = ("base", "overlays/namespaced", "overlays/openshift", *WITH_API)


@functools.cache
def render(folder: Path) -> tuple[JSON, ...]:
    """Every object that `kubectl apply -k` of this folder would apply."""
    done = subprocess.run(["kubectl", "kustomize", folder], check=True, capture_output=True, text=True)
    return tuple(yaml.safe_load_all(done.stdout))


def install(name: str) -> tuple[JSON, ...]:
    return render(MANIFESTS / name)


def of_kind(objects: tuple[JSON, ...], *kinds: str) -> list[JSON]:
    return [item for item in objects if item["kind"] in kinds]


def pods(objects: tuple[JSON, ...]) -> dict[str, JSON]:
    """Pod specs by the name of what makes the pod."""
    found = {item["metadata"]["name"]: item["spec"]["template"]["spec"] for item in of_kind(objects, "Deployment")}
    for item in of_kind(objects, "CronJob"):
        found[item["metadata"]["name"]] = item["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return found


def crd() -> JSON:
    loaded: JSON = yaml.safe_load((ROOT / "crds/quantumjobs.yaml").read_text())
    return loaded


def schema() -> JSON:
    found: JSON = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def fields(node: JSON, path: str = "") -> Iterator[tuple[str, JSON]]:
    """Every field of a schema with its path; an item of a list is `[]`, a value of a map is `{}`."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from fields(child, f"{path}.{name}")
    if "items" in node:
        yield from fields(node["items"], f"{path}[]")
    if "additionalProperties" in node:
        yield from fields(node["additionalProperties"], f"{path}{{}}")
