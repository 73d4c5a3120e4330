"""Compiled search for chromosomes whose two labels were exchanged on every haplotype, eq. (6).

Axes: H haplotypes, C chromosomes; x (H, C, 6) holds [T_A, T_B, n_AB, n_BA, f_A, f_B] as called.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel
from refsolve.methods.tracts.kernels import pulse

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

NO_LABEL = np.zeros(0, np.int8)
NO_LENGTH = np.zeros(0)
HALF = 0.5  # counts that keep estimates from other chromosomes off their bounds


@kernel
def add_cell(total: Array, cell: Array, inverted: bool, sign: float) -> None:
    """Add a cell to a total (6,), exchanged or as it is."""
    for i in range(6):
        total[i] += sign * (cell[i ^ 1] if inverted else cell[i])


@kernel
def maximum(x: Array, out: Array) -> float:
    """Largest log-likelihood of one haplotype with statistics x (6,); 0 where nothing is called."""
    if x[4] + x[5] == 0.0:
        return 0.0
    s, m = pulse.joint_maximum(x, NO_LABEL, NO_LABEL, NO_LENGTH, 0, 0, out)
    return pulse.log_likelihood(s, m, x, NO_LABEL, NO_LABEL, NO_LENGTH, 0, 0, out)


@kernel
def configuration_value(x: Array, inverted: Flags, totals: Array) -> float:
    """Log-likelihood of a configuration (C,), haplotypes at their best; fills totals (H, 6)."""
    out = np.empty(6)
    value = 0.0
    totals[:] = 0.0
    for h in range(x.shape[0]):
        for c in range(x.shape[1]):
            add_cell(totals[h], x[h, c], inverted[c], 1.0)
        value += maximum(totals[h], out)
    return value


@kernel
def climb(x: Array, inverted: Flags, prior: float) -> float:
    """Improve a configuration in place, one chromosome at a time; returns its value.

    A configuration and its complement are equally likely; the value takes `prior` off for every
    member of the smaller side.
    """
    H, C = x.shape[0], x.shape[1]
    out, trial = np.empty(6), np.empty(6)
    totals = np.empty((H, 6))
    n = int(np.sum(inverted))
    value = float(configuration_value(x, inverted, totals))
    moved = True
    while moved:
        moved = False
        for c in range(C):
            other = 0.0
            for h in range(H):
                trial[:] = totals[h]
                add_cell(trial, x[h, c], inverted[c], -1.0)
                add_cell(trial, x[h, c], not inverted[c], 1.0)
                other += maximum(trial, out)
            n_other = n - 1 if inverted[c] else n + 1
            gain = other - value - prior * (min(n_other, C - n_other) - min(n, C - n))
            if gain > 1e-9:
                inverted[c] = not inverted[c]
                n = n_other
                value = float(configuration_value(x, inverted, totals))
                moved = True
    return float(value - prior * min(n, C - n))


@kernel
def likeliest_configuration(x: Array, prior: float) -> Flags:
    """Inverted chromosomes (C,) of the likeliest configuration, the smaller of two complements.

    Climbs from none inverted, and from all chromosomes turned towards each one in turn.
    """
    H, C = x.shape[0], x.shape[1]
    best = np.zeros(C, np.bool_)
    top = climb(x, best, prior)
    for r in range(C):
        trial = np.zeros(C, np.bool_)
        for c in range(C):
            dot = 0.0
            for h in range(H):
                dot += (x[h, c, 0] - x[h, c, 1]) * (x[h, r, 0] - x[h, r, 1])
            trial[c] = dot < 0.0
        value = climb(x, trial, prior)
        if value > top + 1e-9:
            top = value
            best = trial
    return ~best if 2 * np.sum(best) > C else best


@kernel
def guarded_maximum(x: Array, out: Array) -> tuple[float, float]:
    """The (s, m) of x (6,); half a count where there is none keeps both off their bounds."""
    y = x.copy()
    if x[4] + x[3] == 0.0:
        y[4] += HALF
    if x[5] + x[2] == 0.0:
        y[5] += HALF
    if x[2] + x[3] == 0.0:
        y[2] += 0.5 * HALF
        y[3] += 0.5 * HALF
    s, m = pulse.joint_maximum(y, NO_LABEL, NO_LABEL, NO_LENGTH, 0, 0, out)
    return s, m


@kernel
def log_ratios(x: Array, inverted: Flags) -> Array:
    """Log-likelihood ratio (H, C) of exchanged against as called, given the other chromosomes.

    Rate and fraction of every haplotype come from its other chromosomes, turned as `inverted` says.
    """
    H, C = x.shape[0], x.shape[1]
    ratio = np.zeros((H, C))
    out, total, rest, turned = np.empty(6), np.empty(6), np.empty(6), np.empty(6)
    for h in range(H):
        total[:] = 0.0
        for c in range(C):
            add_cell(total, x[h, c], inverted[c], 1.0)
        for c in range(C):
            rest[:] = total
            add_cell(rest, x[h, c], inverted[c], -1.0)
            rest[:] = np.maximum(rest, 0.0)  # differences of sums leave rounding below 0
            if rest[4] + rest[5] < 0.5:
                continue
            s, m = guarded_maximum(rest, out)
            turned[:] = 0.0
            add_cell(turned, x[h, c], True, 1.0)
            ratio[h, c] = log_ratio(s, m, x[h, c], turned, out)
    return ratio


@kernel
def log_ratio(s: float, m: float, called: Array, turned: Array, out: Array) -> float:
    """Log-likelihood of `turned` less that of `called`, statistics (6,), at s and m."""
    there = pulse.log_likelihood(s, m, turned, NO_LABEL, NO_LABEL, NO_LENGTH, 0, 0, out)
    return there - pulse.log_likelihood(s, m, called, NO_LABEL, NO_LABEL, NO_LENGTH, 0, 0, out)
