"""How far a submitted answer is from that of a path, in units of the tolerance.

Answers are submitted rounded. A difference that the rounding explains counts as none; else a path
of several wrong turns that happens to hit the rounded number would beat the one that was taken.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from refsolve.contract.spec import ProblemSpec

# However coarse the rounding, it explains no more than this share of a tolerance.
ROUNDING = 0.25


def distance(spec: ProblemSpec, answer: Mapping[str, Any], given: Mapping[str, Any]) -> float:
    """Largest difference over the keys, in tolerances; infinite where an exact key differs.

    Parameters
    ----------
    spec
        The problem's contract.
    answer
        Answer of a path.
    given
        The submitted answer.
    """
    return max(_key_distance(a.tolerance, answer.get(a.key), given.get(a.key)) for a in spec.answer)


def _key_distance(tolerance: float | None, one: Any, two: Any) -> float:
    if tolerance is None:
        return 0.0 if one == two and one is not None else math.inf
    if not _finite(one) or not _finite(two):
        return math.inf
    excess = float(abs(one - two)) - min(_half_digit(two), ROUNDING * tolerance)
    return max(0.0, excess) / tolerance


def _half_digit(value: float) -> float:
    """Half a unit of the last digit that is written."""
    exponent = Decimal(repr(value)).as_tuple().exponent
    return 0.5 * 10.0 ** int(exponent)


def numeric_distance(
    spec: ProblemSpec, answer: Mapping[str, Any], given: Mapping[str, Any]
) -> float:
    """Like `distance`, over the numeric keys alone: it ranks answers that differ in an exact key.

    Parameters
    ----------
    spec
        The problem's contract.
    answer
        Answer of a path.
    given
        The submitted answer.
    """
    numeric = [a for a in spec.answer if a.tolerance is not None]
    return max(
        (_key_distance(a.tolerance, answer.get(a.key), given.get(a.key)) for a in numeric),
        default=0.0,
    )


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
