"""Kernels held against the textbook: what every `self_check` of a method shares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

Check = tuple[Callable[..., Any], Callable[[], float], float]


def checked(checks: Iterable[Check]) -> Iterator[tuple[str, float, float]]:
    """Run the checks of a method.

    Parameters
    ----------
    checks
        Kernel, function that returns the largest absolute difference, difference that passes.

    Yields
    ------
    Qualified name of the kernel, largest absolute difference, and the difference that passes.
    """
    for kernel, check, tolerance in checks:
        yield f"{kernel.__module__}.{kernel.__name__}", check(), tolerance


def gap(a: Any, b: Any) -> float:
    """Largest absolute difference; NaN where either is NaN.

    Parameters
    ----------
    a, b
        Numbers of one shape.
    """
    return float(np.max(np.abs(np.subtract(a, b))))
