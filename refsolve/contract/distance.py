"""How far two answers are apart, in units of the tolerance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from refsolve.contract.spec import ProblemSpec


def distance(spec: ProblemSpec, first: Mapping[str, Any], second: Mapping[str, Any]) -> float:
    """Largest difference over the keys, in tolerances; infinite where an exact key differs.

    Parameters
    ----------
    spec
        The problem's contract.
    first, second
        Two answers.
    """
    return max(_key_distance(a.tolerance, first.get(a.key), second.get(a.key)) for a in spec.answer)


def _key_distance(tolerance: float | None, one: Any, two: Any) -> float:
    if tolerance is None:
        return 0.0 if one == two and one is not None else math.inf
    if not _finite(one) or not _finite(two):
        return math.inf
    return float(abs(one - two)) / tolerance


def numeric_distance(
    spec: ProblemSpec, first: Mapping[str, Any], second: Mapping[str, Any]
) -> float:
    """Like `distance`, over the numeric keys alone: it ranks answers that differ in an exact key.

    Parameters
    ----------
    spec
        The problem's contract.
    first, second
        Two answers.
    """
    numeric = [a for a in spec.answer if a.tolerance is not None]
    return max(
        (_key_distance(a.tolerance, first.get(a.key), second.get(a.key)) for a in numeric),
        default=0.0,
    )


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
