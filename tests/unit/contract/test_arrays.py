"""Arrays as a user writes them have the shapes that Qiskit gives them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit.primitives import BindingsArray, ObservablesArray

from quantumjob_contract.pubs import arrays, seeds
from quantumjob_contract.pubs.arrays import BadArray

SHAPES = st.lists(st.integers(1, 3), max_size=3).map(tuple)


@given(st.dictionaries(st.sampled_from(["a", "b", "c, d", "t[0:3]", "u[2:3]"]), SHAPES, max_size=3))
def test_shapes_are_those_of_a_bindings_array(wanted: dict[str, tuple[int, ...]]) -> None:
    nested = {key: np.zeros(shape).tolist() for key, shape in wanted.items()}
    try:
        theirs = BindingsArray({arrays.parameter_names(key): value for key, value in nested.items()}).shape
    except ValueError:
        with pytest.raises(BadArray):
            arrays.bindings(nested)
        return
    shape, columns = arrays.bindings(nested)
    assert shape == theirs
    assert arrays.points(nested) == math.prod(shape)
    assert all(len(column.values) == math.prod(shape) * len(column.names) for column in columns)


@given(SHAPES, SHAPES)
def test_broadcasting_is_numpy_s(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    try:
        assert arrays.broadcast(one, other) == np.broadcast_shapes(one, other)
    except ValueError:
        with pytest.raises(BadArray):
            arrays.broadcast(one, other)
        with pytest.raises(ValueError, match="broadcast"):
            np.broadcast_shapes(one, other)


@given(SHAPES)
def test_values_are_in_c_order(shape: tuple[int, ...]) -> None:
    array = np.arange(math.prod(shape)).reshape(shape)
    assert arrays.flat(array.tolist()) == (shape, array.ravel().tolist())


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("a", ("a",)),
        ("a, b,c", ("a", "b", "c")),
        ("t[0:2]", ("t[0]", "t[1]")),
        ("t[:2], a", ("t[0]", "t[1]", "a")),
        ("t[3]", ("t[3]",)),
    ],
)
def test_names(key: str, names: tuple[str, ...]) -> None:
    assert arrays.parameter_names(key) == names


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"a": [1, [2]]}, "ragged"),
        ({"a": [[1], [2, 3]]}, "ragged"),
        ({"a": [[1], 2]}, "ragged"),
        ({"a": "1"}, "not a finite number"),
        ({"a": [True]}, "not a finite number"),
        ({"a": None}, "not a finite number"),
        ({"a": {}}, "not a finite number"),
        ({"a": 10**400}, "not a finite number"),
        ({"a": []}, "at least one value"),
        ({"a": [1, 2], "b": [1, 2, 3]}, "one shape"),
        ({"a, b": [1, 2, 3]}, "2 names"),
        ({"a": 1, "b, a": [1, 2]}, "'a' twice"),
        ({"a,": 1}, "empty name"),
        ({"t[3:3]": []}, "slice"),
        ({"t[0:999999]": []}, "slice"),
        ({"a": [[[[[[[1]]]]]]]}, "deep"),
    ],
)
def test_values_that_are_refused(values: dict[str, Any], told: str) -> None:
    with pytest.raises(BadArray, match=told):
        arrays.bindings(values)


@pytest.mark.parametrize("nested", ["ZZ", {"ZZ": 1, "XI": -0.5}, ["ZZ"], [["ZZ", {"XX": 2}], ["II", "YY"]]])
def test_shapes_are_those_of_an_observables_array(nested: Any) -> None:
    assert arrays.observables(nested).shape == ObservablesArray.coerce(nested).shape


@pytest.mark.parametrize(
    ("nested", "told"),
    [
        ([], "at least one"),
        ("", "letters"),
        ("ZQ", "letters"),
        ({}, "neither"),
        (1, "neither"),
        (True, "unquoted Y"),
        ([{"true": 1}, "X"], "unquoted Y"),
        (["ZZ", ["ZZ"]], "ragged"),
        (["ZZ", "Z"], "one length"),
        ({"ZZ": "1"}, "finite"),
        ({"ZZ": 0}, "weight"),
        ("Z" * 1025, "1024"),
    ],
)
def test_observables_that_are_refused(nested: Any, told: str) -> None:
    with pytest.raises(BadArray, match=told):
        arrays.observables(nested)


def test_each_point_of_each_pub_has_a_seed_of_its_own() -> None:
    """As Aer steps through the circuits of one run."""
    points = [3, 1, 2]
    found = [
        seeds.point_seed(first, point)
        for first, count in zip(seeds.pub_seeds(7, points), points, strict=True)
        for point in range(count)
    ]
    assert found == [7 + 2113 * number for number in range(6)]
