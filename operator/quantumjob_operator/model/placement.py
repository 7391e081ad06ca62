"""Which QuantumJobs take their turn at a shared worker, and which get a Job of their own. Pure."""

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
"""What the schema fills in, and what a shared worker has; a unit test holds the two together."""


def placement(quantumjob: JSON) -> str:
    """SHARED where the job asks for nothing of its own. Told in the status at acceptance, since a label may change."""
    meta, spec = quantumjob["metadata"], quantumjob["spec"]
    shared = (
        not spec.get("dedicated", False)
        and _as_text(spec.get("resources", DEFAULT_RESOURCES)) == DEFAULT_RESOURCES
        and names.LABEL_QUEUE not in meta.get("labels", {})
    )
    return SHARED if shared else DEDICATED


def _as_text(resources: JSON) -> JSON:
    """A quantity may be a number in the resource, such as 1 for "1"."""
    return {part: {name: str(quantity) for name, quantity in each.items()} for part, each in resources.items()}
