"""Inserts the channels of a noise model after the operations of a circuit.

Noise is inserted before translation to a basis, so that a gate has the noise of one gate whatever it is translated
to. Aer's own noise model goes by names of gates, and would apply to the translated ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction, Delay, Qubit
from qiskit_aer.noise import NoiseModel as AerNoise
from qiskit_aer.noise import QuantumError, depolarizing_error, thermal_relaxation_error
from qiskit_aer.noise.noise_model import QuantumErrorLocation

from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.backend import NoiseModel, Relaxation
from quantumjob_worker.errors import PubFailed
from quantumjob_worker.passes.basis_translation import translator
from quantumjob_worker.passes.features import NoiseKind
from quantumjob_worker.passes.final_measurements import final_measurements
from quantumjob_worker.passes.instruction_sets import CONTROL_FLOW

IDEAL: Final = frozenset({"barrier", "reset", "initialize", "store", "break_loop", "continue_loop"})
"""Instructions without noise: state preparation is ideal."""
PARTS: Final = frozenset({"u", "cx"})
"""Basis to which gates on three or more qubits are decomposed."""
MIN_DECAY: Final = 1e-12
"""A shorter relaxation, as a fraction of T2, is omitted."""
UNIT_NANOSECONDS: Final = {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0, "ps": 1e-3}


class Channel(NamedTuple):
    """A depolarizing or a relaxation channel."""

    depolarizing: float = 0.0
    qubits: int = 1
    decay: tuple[float, float, float] | None = None
    """T1, T2 and duration, in nanoseconds."""

    def error(self) -> QuantumError:
        if self.decay is not None:
            return thermal_relaxation_error(*self.decay)
        return depolarizing_error(self.depolarizing, self.qubits)


class NoiseChannels:
    """The noise of one circuit, in the forms that engines need."""

    def __init__(self, model: NoiseModel) -> None:
        self._model = model
        self._qubits = {int(key): found for key, found in model.qubits.items()}
        self._pairs = {frozenset(map(int, key.split("-"))): value for key, value in model.pairs.items()}
        self._places: dict[Channel, QuantumErrorLocation | None] = {}
        self.aer = AerNoise()
        self.depolarizing: dict[str, float] = {}
        """Depolarizing probabilities by the label of the channel's instruction."""
        self.readout: list[tuple[float, float]] = []
        """For each qubit of the compacted circuit: the probabilities that 0 is read as 1, and 1 as 0."""

    @property
    def kind(self) -> NoiseKind:
        found = [channel for channel, place in self._places.items() if place is not None]
        if any(channel.decay for channel in found):
            return "general"
        return "pauli" if found else "readout"

    def insert(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """Returns the flattened circuit with noise channels, on all qubits of the program."""
        noisy = self._block(circuit, range(circuit.num_qubits))
        flow = any(instruction.name in CONTROL_FLOW for instruction in noisy.data)
        return noisy if flow else measure_last(noisy)

    def place(self, kept: Sequence[int]) -> None:
        """Sets which qubits of the program the compacted circuit has, in order, for their readout errors."""
        for index, qubit in enumerate(kept):
            own = self._qubits.get(qubit)
            readout = self._model.readout if own is None or own.readout is None else own.readout
            one, zero = readout.prob_meas1_prep0, readout.prob_meas0_prep1
            self.readout.append((one, zero))
            if one or zero:
                self.aer.add_readout_error([[1 - one, one], [zero, 1 - zero]], [index])

    def _block(self, block: QuantumCircuit, indices: Sequence[int]) -> QuantumCircuit:
        noisy = block.copy_empty_like()
        index = dict(zip(block.qubits, indices, strict=True))
        for instruction in block.data:
            self._append(noisy, instruction, index)
        return noisy

    def _append(self, noisy: QuantumCircuit, instruction: CircuitInstruction, index: dict[Qubit, int]) -> None:
        name, qubits = instruction.name, list(instruction.qubits)
        if name in CONTROL_FLOW:
            operation = instruction.operation
            inner = [index[qubit] for qubit in qubits]
            blocks = [self._block(block, inner) for block in operation.blocks]
            noisy.append(operation.replace_blocks(blocks), qubits, list(instruction.clbits), copy=False)
        elif isinstance(instruction.operation, Delay):
            self._decay(noisy, qubits, index, nanoseconds(instruction.operation))
        elif name in IDEAL:
            noisy._append(instruction)  # noqa: SLF001  append() checks each argument again
        elif name == "measure":
            relaxation = self._model.relaxation
            self._decay(noisy, qubits, index, relaxation.measure_nanoseconds if relaxation else 0.0)
            noisy._append(instruction)  # noqa: SLF001
        elif len(qubits) > 2:
            for part in parts(instruction):
                self._append(noisy, part, index)
        else:
            noisy._append(instruction)  # noqa: SLF001
            self._gate(noisy, qubits, index)

    def _gate(self, noisy: QuantumCircuit, qubits: list[Qubit], index: dict[Qubit, int]) -> None:
        base, relaxation = self._model.depolarizing, self._model.relaxation
        if len(qubits) == 2:
            probability = self._pairs.get(frozenset(index[qubit] for qubit in qubits), base.two_qubit)
            time = relaxation.two_qubit_nanoseconds if relaxation else 0.0
        else:
            own = self._qubits.get(index[qubits[0]])
            probability = base.one_qubit if own is None or own.depolarizing is None else own.depolarizing
            time = relaxation.one_qubit_nanoseconds if relaxation else 0.0
        if probability:
            self._append_channel(noisy, Channel(depolarizing=probability, qubits=len(qubits)), qubits)
        self._decay(noisy, qubits, index, time)

    def _decay(self, noisy: QuantumCircuit, qubits: list[Qubit], index: dict[Qubit, int], time: float) -> None:
        relaxation = self._model.relaxation
        if relaxation is None or time <= 0:
            return
        for qubit in qubits:
            constants = self._constants(index[qubit], relaxation)
            self._append_channel(noisy, Channel(decay=(*constants, time)), [qubit])

    def _constants(self, qubit: int, relaxation: Relaxation) -> tuple[float, float]:
        own = self._qubits.get(qubit)
        t1 = own.t1_nanoseconds if own and own.t1_nanoseconds else relaxation.t1_nanoseconds
        t2 = own.t2_nanoseconds if own and own.t2_nanoseconds else relaxation.t2_nanoseconds
        return t1, t2

    def _append_channel(self, noisy: QuantumCircuit, channel: Channel, qubits: list[Qubit]) -> None:
        if channel not in self._places:
            self._places[channel] = self._location(channel)
        place = self._places[channel]
        if place is not None:
            noisy._append(CircuitInstruction(place, qubits, ()))  # noqa: SLF001

    def _location(self, channel: Channel) -> QuantumErrorLocation | None:
        if channel.decay is not None and channel.decay[2] < MIN_DECAY * channel.decay[1]:
            return None
        error = channel.error()
        label = f"noise{len(self._places)}"
        error._id = label  # noqa: SLF001  by default a random one
        # As in add_all_qubit_quantum_error(), which also loads SciPy (0.2 s) to check whether the error is ideal.
        self.aer._default_quantum_errors[label] = error  # noqa: SLF001
        if channel.decay is None:
            self.depolarizing[label] = channel.depolarizing
        return QuantumErrorLocation(error)


def parts(instruction: CircuitInstruction) -> list[CircuitInstruction]:
    """Decomposes an instruction on three or more qubits. Raises PubFailed if that is not possible."""
    alone = QuantumCircuit(len(instruction.qubits))
    alone._append(instruction.replace(qubits=alone.qubits))  # noqa: SLF001
    outer = dict(zip(alone.qubits, instruction.qubits, strict=True))
    translated = translator(PARTS).run(alone)
    found = [
        part.replace(qubits=[outer[alone.qubits[translated.find_bit(qubit).index]] for qubit in part.qubits])
        for part in translated.data
    ]
    if any(part.name not in PARTS for part in found):
        raise PubFailed(
            PubReason.INVALID_CIRCUIT,
            "The circuit has an instruction on three or more qubits that cannot be decomposed to gates on one and two, "
            "as noise requires. Decompose it first.",
        )
    return found


def nanoseconds(delay: Delay) -> float:
    """Returns the duration of a delay. Raises PubFailed."""
    unit, duration = delay.unit, delay.duration
    if unit not in UNIT_NANOSECONDS or not isinstance(duration, int | float):
        raise PubFailed(
            PubReason.INVALID_CIRCUIT,
            "A delay has a duration in dt or a variable, which noise cannot use. Write it in s, ms, us, ns or ps.",
        )
    return float(duration) * UNIT_NANOSECONDS[unit]


def measure_last(circuit: QuantumCircuit) -> QuantumCircuit:
    """Moves final measurements to the end, so that no channel follows on one of them.

    Otherwise Aer would run the circuit for each shot.
    """
    final = final_measurements(circuit)
    ordered = circuit.copy_empty_like()
    for last in (False, True):
        for instruction, is_final in zip(circuit.data, final, strict=True):
            if is_final == last:
                ordered._append(instruction)  # noqa: SLF001
    return ordered
