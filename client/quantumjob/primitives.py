"""Qiskit's Sampler and Estimator, which run in the cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from qiskit import QuantumCircuit
from qiskit.primitives import BaseEstimatorV2, BaseSamplerV2
from qiskit.primitives.containers import EstimatorPubLike, SamplerPubLike
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.primitives.containers.sampler_pub import SamplerPub

from quantumjob.client import Client
from quantumjob.job import Job
from quantumjob.submission import circuits
from quantumjob.submission.pubs import convert_each, estimator_pub, program, sampler_pub
from quantumjob_contract import limits
from quantumjob_contract.schema.saved_arrays import KINDS, Save, in_order

JSON = dict[str, Any]


class _Submitter:
    """Submits jobs to a client. Shared by Sampler and Estimator."""

    def __init__(
        self, client: Client | None, seed: int | None, spec: Mapping[str, Any] | None, labels: Mapping[str, str] | None
    ) -> None:
        self._client = client or Client()
        self.seed = seed
        """Seed of all random numbers. Without it, each job has another."""
        self._spec = dict(spec or {})
        if "program" in self._spec:
            raise ValueError("`spec` cannot have `program`: it is made from the pubs of `run`.")
        self._labels = dict(labels or {})

    def _submit(self, primitive: str, made: Sequence[JSON], of: Sequence[QuantumCircuit], name: str | None) -> Job:
        computed = program(primitive, made, [self._packed(circuit) for circuit in of], self.seed, self._upload)
        body: JSON = {"spec": self._spec | {"program": computed}, "labels": self._labels}
        found = self._client.submit(body | ({} if name is None else {"name": name}))
        return Job(self._client, found.name, found.uid)

    def _packed(self, circuit: QuantumCircuit) -> bytes:
        if "noise" in self._spec.get("backend", {}) and circuits.has_timed_delays(circuit):
            raise ValueError(
                "Noise acts during a delay, and Qiskit's QPY, in which circuits are sent, loses a delay's unit. Write "
                "the circuit as OpenQASM 3 (qiskit.qasm3.dumps), and submit that text by Client.submit."
            )
        return circuits.packed(circuit)

    def _upload(self, data: bytes) -> str:
        return self._client.upload(data).key


class Sampler(_Submitter, BaseSamplerV2):  # type: ignore[misc]  # Qiskit has no annotations
    """Samples the classical registers of circuits."""

    def __init__(
        self,
        client: Client | None = None,
        *,
        default_shots: int = limits.DEFAULT_SHOTS,
        seed: int | None = None,
        spec: Mapping[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """`spec` holds further fields of the QuantumJobs, for example `{"backend": {"method": "statevector"}}`."""
        super().__init__(client, seed, spec, labels)
        self.default_shots = default_shots

    def run(
        self,
        pubs: Iterable[SamplerPubLike],
        *,
        shots: int | None = None,
        name: str | None = None,
        save: Save | Iterable[Save] = (),
    ) -> Job:
        """Submits all pubs as one QuantumJob. `save` requests arrays of the state in each pub's data.

        Raises ValueError for an invalid pub, and QuantumJobError.
        """
        default = self.default_shots if shots is None else shots
        coerced = convert_each(pubs, lambda pub: SamplerPub.coerce(pub, default))
        wanted = _kinds(save)
        made = [pub | ({"save": wanted} if wanted else {}) for pub in convert_each(coerced, sampler_pub)]
        return self._submit("Sampler", made, [pub.circuit for pub in coerced], name)


def _kinds(save: Save | Iterable[Save]) -> list[Save]:
    """Checks and sorts the kinds of arrays. Raises ValueError."""
    wanted: list[Any] = [save] if isinstance(save, str) else list(save)
    for each in wanted:
        if each not in KINDS:
            raise ValueError(f"`save` takes {', '.join(KINDS)}, and not {each!r}.")
    return in_order(wanted)


class Estimator(_Submitter, BaseEstimatorV2):  # type: ignore[misc]
    """Computes expectation values of observables, exact without a precision."""

    def __init__(
        self,
        client: Client | None = None,
        *,
        default_precision: float = 0.0,
        seed: int | None = None,
        spec: Mapping[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """`spec` holds further fields of the QuantumJobs, for example `{"backend": {"method": "statevector"}}`."""
        super().__init__(client, seed, spec, labels)
        self.default_precision = default_precision

    def run(self, pubs: Iterable[EstimatorPubLike], *, precision: float | None = None, name: str | None = None) -> Job:
        """Submits all pubs as one QuantumJob. Raises ValueError for an invalid pub, and QuantumJobError."""
        default = self.default_precision if precision is None else precision
        coerced = convert_each(pubs, lambda pub: EstimatorPub.coerce(pub, default))
        return self._submit("Estimator", convert_each(coerced, estimator_pub), [pub.circuit for pub in coerced], name)
