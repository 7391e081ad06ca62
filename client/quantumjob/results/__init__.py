"""Results as Qiskit's own containers, read from the store or from the service. No requests."""

from __future__ import annotations

from quantumjob.results.containers import PubsFailed, bit_array, primitive_result, pub_result

__all__ = ["PubsFailed", "bit_array", "primitive_result", "pub_result"]
