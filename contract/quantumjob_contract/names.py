"""Names that more than one part speaks: the API group, labels, the order token's audience, the worker's environment."""

from __future__ import annotations

from typing import Final

GROUP: Final = "quantumjobs.io"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "QuantumJob"
PLURAL: Final = "quantumjobs"

LABEL_UID: Final = f"{GROUP}/uid"
"""On the child Job and its pods: the UID of the QuantumJob. Also the selector by which the operator watches them."""
LABEL_NAME: Final = f"{GROUP}/name"
"""On the child Job and its pods: the QuantumJob's name, for people."""

AUDIENCE: Final = "quantumjobs.io/orders"
"""Audience of the projected service-account token by which a worker proves who it is."""

ENV_ORDERS_URL: Final = "QUANTUMJOB_ORDERS_URL"
ENV_ORDERS_CA: Final = "QUANTUMJOB_ORDERS_CA"
"""PEM text of the authority that signed the order endpoint's certificate; empty for the system's."""
ENV_TOKEN_FILE: Final = "QUANTUMJOB_TOKEN_FILE"

TERMINATION_LOG: Final = "/dev/termination-log"
"""Where a container leaves the reason of its end (Kubernetes' own default path)."""
