"""Two haplotypes seen without phase: the number of copies of B, eq. (10)."""

from __future__ import annotations

import numpy as np

from refsolve.methods.tracts.textbook.chains import diploid_chain, observed_log_likelihood
from refsolve.methods.tracts.textbook.paths import Path, Statistics, join


def diploid_path(one: Path, two: Path) -> Path:
    """Copies of B (0 for AA, 1 for AB, 2 for BB) where both haplotypes are called."""
    cuts = np.unique(np.concatenate([one.start, one.end, two.start, two.end]))
    middle = (cuts[:-1] + cuts[1:]) / 2
    copies, called = np.zeros(middle.size, dtype=np.int64), np.ones(middle.size, dtype=bool)
    for path in (one, two):
        i = np.searchsorted(path.start, middle, side="right") - 1
        called &= (i >= 0) & (middle < path.end[i])
        copies += path.label[i]
    return join(Path(cuts[:-1][called], cuts[1:][called], copies[called]))


def diploid_log_likelihood(stats: Statistics, rate: float, m: float) -> float:
    """Log-likelihood of AA, AB and BB for equal parents, eq. (10); -inf if AA touches BB."""
    chain = diploid_chain((rate, rate), (m, m))
    states = np.array([0, 1, 3])  # AB and BA are one state of equal parents
    generator = chain.generator[np.ix_(states, states)]
    generator[[0, 2], 1] *= 2
    stationary = chain.stationary[states] * [1, 2, 1]
    return observed_log_likelihood(
        stats, chain._replace(generator=generator, stationary=stationary)
    )


def fit_diploid_rate(stats: Statistics, m: float) -> float:
    """Rate that maximises eq. (10) at a fraction; its standard error is rate / √N."""
    t_aa, t_ab, t_bb = stats.exposure
    return float(stats.switches.sum() / (2 * (1 - m) * t_aa + t_ab + 2 * m * t_bb))
