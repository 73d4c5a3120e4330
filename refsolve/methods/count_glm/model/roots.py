"""Roots of functions that are searched themselves, and so are not quite smooth."""

from __future__ import annotations

from collections.abc import Callable

ROUNDS = 60


def crossing(
    f: Callable[[float], float], a: float, fa: float, b: float, fb: float, *, near: float
) -> float:
    """Where a function changes its sign, by the Illinois rule.

    Values at the ends are taken as given, and are not asked for again.

    Parameters
    ----------
    f
        The function.
    a, fa, b, fb
        Two points and the values there, of different signs.
    near
        Change of the point at which the search ends.
    """
    t, side = b, 0
    for _ in range(ROUNDS):
        t = (a * fb - b * fa) / (fb - fa)
        value = f(t)
        if value == 0.0 or abs(b - a) < near:
            break
        if (value > 0.0) == (fb > 0.0):
            moved, b, fb = abs(t - b), t, value
            fa, side = (0.5 * fa if side == 1 else fa), 1
        else:
            moved, a, fa = abs(t - a), t, value
            fb, side = (0.5 * fb if side == -1 else fb), -1
        if moved < near:
            break
    return t
