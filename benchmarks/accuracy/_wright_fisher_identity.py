"""The mean of L(s)/L(0) over data simulated at s = 0 is one, if simulator and likelihood agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.accuracy._wright_fisher_designs import Design, designs, simulate
from benchmarks.options import Options
from benchmarks.report import Verdict
from benchmarks.shares import smallest_bias_seen
from refsolve.core.rng import spawn
from refsolve.methods.wright_fisher import Samples, log_likelihood

SEED = 31
SMALL = (0.03, 0.01, 0.002, None, 0.03, 0.01)  # of each design: larger s have heavy tails
LIMIT = 3.5  # standard errors; two sides and ten rows exceed it once in 200 runs


@dataclass(frozen=True, slots=True)
class IdentityRow:
    """One design and one value of s.

    Attributes
    ----------
    design, s, replicates
        What was simulated (at s = 0) and evaluated.
    mean, se, smallest_seen
        Of the likelihood ratio, and the deviation from one that is found with 80 % power.
    verdict
        Within 3.5 standard errors of one.
    """

    design: str
    s: float
    replicates: int
    mean: float
    se: float
    smallest_seen: float
    verdict: Verdict


def identity_rows(n: int, options: Options) -> list[IdentityRow]:
    """Rows of the designs whose start is the one that the likelihood assumes.

    Parameters
    ----------
    n, options
        Data sets per design, and where the mapper comes from.
    """
    rows = []
    for design, s in zip(designs(False), SMALL, strict=True):
        if s is not None:
            tasks = [(design, s, i, seed) for i, seed in enumerate(spawn(SEED + design.seed, n))]
            found = np.array(sorted(options.map_(_ratios, tasks)))
            rows += [_row(design, s, found[:, 1]), _row(design, -s, found[:, 2])]
    return rows


def _ratios(task: tuple[Design, float, int, np.random.SeedSequence]) -> tuple[int, float, float]:
    design, s, index, seed = task
    data = simulate(design, seed)
    values = [0.0, s, -s]
    neutral, more, less = log_likelihood(
        Samples(**data.observed), data.sizes, values
    ).log_likelihood.tolist()
    return index, float(np.exp(more - neutral)), float(np.exp(less - neutral))


def _row(design: Design, s: float, ratio: np.ndarray) -> IdentityRow:
    mean, sd = float(ratio.mean()), float(ratio.std(ddof=1))
    se = sd / float(np.sqrt(ratio.size))
    distance = abs(mean - 1.0) / se
    status = "met" if distance <= LIMIT else "missed"
    return IdentityRow(
        design.name, s, ratio.size, mean, se, smallest_bias_seen(sd, ratio.size),
        Verdict(status, f"{distance:.2f} of at most {LIMIT} standard errors from one"),
    )  # fmt: skip
