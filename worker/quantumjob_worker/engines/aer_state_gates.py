"""The standard gates of Aer's statevector method as calls of its state class, up to a global phase."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from typing import Final

from qiskit.circuit import Gate
from qiskit.circuit.library import ECRGate, RXXGate, RYYGate, RZXGate
from qiskit_aer.backends.controller_wrappers import AerStateWrapper as State

PI: Final = math.pi

Apply = Callable[..., object]
"""Applies a gate to a state, on given qubits and with given angles."""


def _u(theta: float, phi: float, lam: float) -> Apply:
    return lambda state, on: state.apply_u(*on, theta, phi, lam)


def _phase(angle: float) -> Apply:
    return lambda state, on: state.apply_mcphase(on, angle)


def _rzz(state: State, on: list[int], angle: float) -> None:
    same, other = cmath.exp(-0.5j * angle), cmath.exp(0.5j * angle)
    state.apply_diagonal(on, [same, other, other, same])


def _matrix(gate: type[Gate]) -> Apply:
    return lambda state, on, *angles: state.apply_unitary(on, gate(*angles).to_matrix())


GATES: Final[dict[str, Apply]] = {
    "id": lambda _state, _on: None,
    "x": lambda state, on: state.apply_x(*on),
    "y": lambda state, on: state.apply_y(*on),
    "z": lambda state, on: state.apply_z(*on),
    "h": lambda state, on: state.apply_h(*on),
    "s": _phase(PI / 2),
    "sdg": _phase(-PI / 2),
    "t": _phase(PI / 4),
    "tdg": _phase(-PI / 4),
    **dict.fromkeys(("p", "u1", "rz", "cp", "cu1"), State.apply_mcphase),
    "sx": _u(PI / 2, -PI / 2, PI / 2),
    "sxdg": _u(-PI / 2, -PI / 2, PI / 2),
    "rx": lambda state, on, angle: state.apply_u(*on, angle, -PI / 2, PI / 2),
    "ry": lambda state, on, angle: state.apply_u(*on, angle, 0, 0),
    "r": lambda state, on, angle, axis: state.apply_u(*on, angle, axis - PI / 2, PI / 2 - axis),
    "u2": lambda state, on, phi, lam: state.apply_u(*on, PI / 2, phi, lam),
    **dict.fromkeys(("u", "u3"), lambda state, on, *angles: state.apply_u(*on, *angles)),
    "cx": State.apply_cx,
    "cy": State.apply_cy,
    "cz": State.apply_cz,
    "csx": lambda state, on: state.apply_mcu(on, PI / 2, -PI / 2, PI / 2, PI / 4),
    "crx": lambda state, on, angle: state.apply_mcu(on, angle, -PI / 2, PI / 2, 0),
    "cry": lambda state, on, angle: state.apply_mcu(on, angle, 0, 0, 0),
    "crz": lambda state, on, angle: state.apply_mcu(on, 0, 0, angle, -angle / 2),
    "cu": State.apply_mcu,
    "cu3": lambda state, on, *angles: state.apply_mcu(on, *angles, 0),
    "ccx": State.apply_mcx,
    "ccz": State.apply_mcz,
    **dict.fromkeys(("swap", "cswap"), State.apply_mcswap),
    "rzz": _rzz,
    "rxx": _matrix(RXXGate),
    "ryy": _matrix(RYYGate),
    "rzx": _matrix(RZXGate),
    "ecr": _matrix(ECRGate),
}
