"""Names that several parts share: the API group, labels, the audience of the order token, the worker's environment."""

from __future__ import annotations

import re
from typing import Final

from quantumjob_contract import limits

GROUP: Final = "quantumjobs.io"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "QuantumJob"
PLURAL: Final = "quantumjobs"

LABEL_WORKER: Final = f"{GROUP}/worker"
"""On every worker's Job and pod: DEDICATED or SHARED. The operator's watch selects by it."""
DEDICATED: Final = "dedicated"
SHARED: Final = "shared"
LABEL_TEMPLATE: Final = f"{GROUP}/template"
"""On a shared worker's Job: hash of its pod template, by which workers of an older template are recognized."""
LABEL_UID: Final = f"{GROUP}/uid"
"""On a dedicated worker's Job and pod: the UID of the QuantumJob."""
LABEL_NAME: Final = f"{GROUP}/name"
"""On a dedicated worker's Job and pod: the QuantumJob's name, for kubectl."""
LABEL_QUEUE: Final = "kueue.x-k8s.io/queue-name"
"""Kueue's label. A QuantumJob's is copied to its Job."""

LABEL_IDEMPOTENCY: Final = f"{GROUP}/idempotency-key"
"""On a QuantumJob submitted with an Idempotency-Key: hash of the key."""
ANNOTATION_REQUEST: Final = f"{GROUP}/request-sha256"
"""On a QuantumJob submitted with an Idempotency-Key: sha256 of the body, by which another body is refused."""

AUDIENCE: Final = "quantumjobs.io/orders"
"""Audience of the projected service account token with which a worker authenticates."""

ENV_ORDERS_URL: Final = "QUANTUMJOB_ORDERS_URL"
ENV_ORDERS_CA: Final = "QUANTUMJOB_ORDERS_CA"
"""PEM text of the authority of the order service's certificate; empty for the system's authorities."""
ENV_TOKEN_FILE: Final = "QUANTUMJOB_TOKEN_FILE"

TERMINATION_LOG: Final = "/dev/termination-log"
"""Kubernetes' default terminationMessagePath."""

PUB_NAME: Final = re.compile(rf"[a-z0-9]([-a-z0-9]{{0,{limits.MAX_NAME_CHARS - 2}}}[a-z0-9])?")
"""A DNS label."""
