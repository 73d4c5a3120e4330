"""Checks at the public boundary: each returns the clean array or raises ValueError.

A message names the argument, the rule, the first element that breaks it, and a remedy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_TOO_LARGE = 2.0**63


def real_vector(values: ArrayLike, name: str) -> FloatArray:
    """One-dimensional float64 array without NaN.

    Parameters
    ----------
    values
        Numbers.
    name
        Argument name for the message.
    """
    array = _numbers(values, name)
    if array.ndim != 1:
        raise ValueError(f"{name} has {array.ndim} dimensions; expected one; pass a flat sequence")
    refuse(np.isnan(array), name, array, "must not be NaN", "remove or impute missing values")
    return array


def whole_numbers(values: ArrayLike, name: str, *, minimum: int | None = None) -> IntArray:
    """Integer array of any shape; floats pass when they are whole.

    Parameters
    ----------
    values
        Numbers.
    name
        Argument name for the message.
    minimum
        Smallest value allowed.
    """
    array = np.asarray(values)
    if array.dtype == np.bool_:
        raise ValueError(f"{name} is boolean; expected whole numbers; count explicitly")
    if array.dtype.kind not in "iu":
        array = _numbers(array, name)
        whole = np.isfinite(array) & (array == np.rint(array))
        refuse(~whole, name, array, "must be a whole number", "round or recount it")
    if array.dtype.kind != "i":
        outside = (array >= _TOO_LARGE) | (array < -_TOO_LARGE)
        refuse(outside, name, array, "must fit into 64 bits", "correct the value")
    if minimum is not None:
        refuse(array < minimum, name, array, f"must be at least {minimum}", "correct the value")
    return array.astype(np.int64, order="C")


def within(
    values: ArrayLike, name: str, low: float, high: float, *, open_high: bool = False
) -> FloatArray:
    """Float64 array with every element in [low, high], or [low, high) with `open_high`.

    Parameters
    ----------
    values
        Numbers.
    name
        Argument name for the message.
    low, high
        Bounds.
    open_high
        Exclude the upper bound.
    """
    array = _numbers(values, name)
    above = array >= high if open_high else array > high
    bracket = ")" if open_high else "]"
    bad = ~(array >= low) | above
    refuse(bad, name, array, f"must lie in [{low:g}, {high:g}{bracket}", "correct the value")
    return array


def one_of(value: str, name: str, allowed: tuple[str, ...]) -> str:
    """One of some words, or ValueError.

    Parameters
    ----------
    value
        The word.
    name
        Argument name for the message.
    allowed
        The words.
    """
    if value not in allowed:
        options = ", ".join(repr(a) for a in allowed)
        raise ValueError(f"{name} = {value!r} is not known; choose one of {options}")
    return value


def open_unit(value: float, name: str) -> float:
    """A number strictly between 0 and 1, or ValueError.

    Parameters
    ----------
    value
        The number.
    name
        Argument name for the message.
    """
    if not 0.0 < value < 1.0:
        raise ValueError(f"{name} = {value} must lie strictly between 0 and 1; 0.95 is 95 %")
    return float(value)


def _numbers(values: ArrayLike, name: str) -> FloatArray:
    try:
        raw = np.asarray(values)
        if raw.dtype.kind not in "biufO":
            raise TypeError(f"it has the type {raw.dtype}")
        return np.asarray(raw, dtype=np.float64, order="C")
    except (TypeError, ValueError) as broken:
        raise ValueError(f"{name} must hold numbers; {broken}; convert it first") from broken


def refuse(
    bad: NDArray[np.bool_], name: str, array: NDArray[np.generic], rule: str, remedy: str
) -> None:
    """Raise ValueError for the first element marked bad.

    Parameters
    ----------
    bad
        Marks, of the shape of `array`.
    name
        Argument name for the message.
    array
        The values.
    rule
        What every element must meet.
    remedy
        What the caller can do.
    """
    bad = np.asarray(bad)
    if not bad.any():
        return
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    where = f"[{', '.join(map(str, first))}]" if first else ""
    value = np.asarray(array)[first]
    raise ValueError(f"{name}{where} = {value} {rule}; {remedy}")
