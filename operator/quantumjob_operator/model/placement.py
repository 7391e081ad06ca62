"""Decides which QuantumJobs use shared workers, and which get a dedicated Job. Pure."""

from __future__ import annotations

from typing import Any, Final

from quantumjob_contract import names

JSON = dict[str, Any]

SHARED: Final = "Shared"
DEDICATED: Final = "Dedicated"

DEFAULT_RESOURCES: Final[JSON] = {
    "requests": {"cpu": "250m", "memory": "256Mi"},
    "limits": {"cpu": "1", "memory": "1Gi"},
}
"""The defaults of the schema, and the resources of shared workers. A unit test compares the two."""


def placement(quantumjob: JSON) -> str:
    """Returns SHARED for a job without special requirements. Decided once, at acceptance, since labels may change."""
    meta, spec = quantumjob["metadata"], quantumjob["spec"]
    shared = (
        not spec.get("dedicated", False)
        and _as_text(spec.get("resources", DEFAULT_RESOURCES)) == DEFAULT_RESOURCES
        and names.LABEL_QUEUE not in meta.get("labels", {})
    )
    return SHARED if shared else DEDICATED


def _as_text(resources: JSON) -> JSON:
    """Converts quantities to text: the resource may contain a number, such as 1 for "1"."""
    return {part: {name: str(quantity) for name, quantity in each.items()} for part, each in resources.items()}
