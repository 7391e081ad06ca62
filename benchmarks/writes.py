"""Counts writes to the API server by its metrics (of the replica that answers, where there are several)."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from api_client import Api
from benchmarks.figures.parts import Writes

VERBS: Final = frozenset({"POST", "PUT", "PATCH", "APPLY", "DELETE"})
RESOURCES: Final = frozenset({"quantumjobs", "events", "jobs", "pods"})
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')


def read(api: Api) -> Writes:
    return parse(api.request("GET", "/metrics").decode())


def parse(text: str) -> Writes:
    """Returns the requests since the API server's start; refused ones have their status in the verb."""
    found: Writes = Counter()
    for line in text.splitlines():
        if not line.startswith("apiserver_request_total{"):
            continue
        labels, _, value = line.rpartition("} ")
        found_labels = dict(_LABEL.findall(labels))
        if found_labels["verb"] in VERBS and found_labels["resource"] in RESOURCES:
            resource = "/".join(part for part in (found_labels["resource"], found_labels["subresource"]) if part)
            refused = "" if found_labels["code"].startswith("2") else f" ({found_labels['code']})"
            found[resource, found_labels["verb"] + refused] += int(float(value))
    return found
