"""Names that more than one part speaks: the API group, labels, the order token's audience, the worker's environment."""

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
"""On every worker's Job and pod: DEDICATED or SHARED. Also the selector by which the operator watches them."""
DEDICATED: Final = "dedicated"
SHARED: Final = "shared"
LABEL_TEMPLATE: Final = f"{GROUP}/template"
"""On a shared worker's Job: a hash of its pod, so that workers from before an upgrade are known."""
LABEL_UID: Final = f"{GROUP}/uid"
"""On a dedicated worker's Job and pod: the UID of the QuantumJob."""
LABEL_NAME: Final = f"{GROUP}/name"
"""On a dedicated worker's Job and pod: the QuantumJob's name, for people."""
LABEL_QUEUE: Final = "kueue.x-k8s.io/queue-name"
"""Kueue's own: a QuantumJob that has it gets a Job that has it."""

LABEL_IDEMPOTENCY: Final = f"{GROUP}/idempotency-key"
"""On a QuantumJob that was submitted with an Idempotency-Key: a hash of it."""
ANNOTATION_REQUEST: Final = f"{GROUP}/request-sha256"
"""On the same: sha256 of what was submitted, so that another body under the same key is known."""

AUDIENCE: Final = "quantumjobs.io/orders"
"""Audience of the projected service-account token by which a worker proves who it is."""

ENV_ORDERS_URL: Final = "QUANTUMJOB_ORDERS_URL"
ENV_ORDERS_CA: Final = "QUANTUMJOB_ORDERS_CA"
"""PEM text of the authority that signed the order endpoint's certificate; empty for the system's."""
ENV_TOKEN_FILE: Final = "QUANTUMJOB_TOKEN_FILE"

TERMINATION_LOG: Final = "/dev/termination-log"
"""Where a container leaves the reason of its end (Kubernetes' own default path)."""

PUB_NAME: Final = re.compile(rf"[a-z0-9]([-a-z0-9]{{0,{limits.MAX_NAME_CHARS - 2}}}[a-z0-9])?")
"""A DNS label."""
