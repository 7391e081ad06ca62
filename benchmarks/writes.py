"""What changes something at the API server, by its own metrics (of the one that answers, where there are several)."""

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
    """Requests since the API server's start; those that it refused with their status."""
    found: Writes = Counter()
    for line in text.splitlines():
        if not line.startswith("apiserver_request_total{"):
            continue
        labels, _, value = line.rpartition("} ")
        told = dict(_LABEL.findall(labels))
        if told["verb"] in VERBS and told["resource"] in RESOURCES:
            resource = "/".join(part for part in (told["resource"], told["subresource"]) if part)
            refused = "" if told["code"].startswith("2") else f" ({told['code']})"
            found[resource, told["verb"] + refused] += int(float(value))
    return found
