"""Posterior of the frequency through time, for figures and for the initial frequency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray
from refsolve.core.errors import AnalysisError
from refsolve.core.result import Result
from refsolve.methods.wright_fisher.kernels import grid
from refsolve.methods.wright_fisher.model.evaluation import nodes
from refsolve.methods.wright_fisher.model.inputs import Start
from refsolve.methods.wright_fisher.model.likelihood import Likelihood
from refsolve.methods.wright_fisher.model.samples import Observations

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 256  # intervals of the grid on which quantiles are read


@dataclass(frozen=True, slots=True)
class Trajectory(Result):
    """Posterior of the derived frequency in generations 0..T, at one selection coefficient.

    Attributes
    ----------
    mean
        Posterior mean (T+1,).
    lower, upper
        Quantiles that enclose `confidence` of the posterior (T+1,).
    confidence
        Probability between them.
    s
        Selection coefficient given.
    """

    mean: FloatArray
    lower: FloatArray
    upper: FloatArray
    confidence: float
    s: float

    def to_frame(self) -> pd.DataFrame:
        """One row per generation."""
        import pandas as pd

        generation = np.arange(self.mean.size)
        bands = {"mean": self.mean, "lower": self.lower, "upper": self.upper}
        return pd.DataFrame({"generation": generation, **bands})


def posterior_trajectory(
    samples: Observations,
    sizes: ArrayLike,
    s: float,
    *,
    h: float = 0.5,
    ploidy: str = "haploid",
    start: Start = "uniform",
    mutation: tuple[float, float] | None = None,
    confidence: float = 0.95,
) -> Trajectory:
    """Posterior of the frequency of one locus by forward–backward, given its coefficient.

    Parameters
    ----------
    samples, sizes, h, ploidy, start, mutation
        As in `log_likelihood`; a profiled start is not a distribution and is refused.
    s
        Selection coefficient, as a rule the estimate.
    confidence
        Probability between the quantiles.

    Returns
    -------
    Mean and quantiles in every generation.
    """
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence = {confidence} must lie between 0 and 1; try 0.95")
    model = Likelihood(
        samples, sizes, h=h, ploidy=ploidy, start=start, mutation=mutation, mode="grid"
    )
    if isinstance(model.start, str) and model.start == "profile":
        raise ValueError("start = 'profile' is not a distribution; use 'uniform' or a pmf")
    if model.samples.n_loci != 1:
        raise ValueError(
            f"samples hold {model.samples.n_loci} loci; expected one; select one of them"
        )
    K = max(2 * model.first_nodes, FEWEST)
    x, mass = nodes(K)[0], _posterior(model, K, float(model.clean_s(s)[0]))
    if not np.isfinite(mass).all():
        raise AnalysisError(f"The data are impossible under the model at s = {s:g}.")
    tail = (1.0 - confidence) / 2.0
    lower, upper = (_quantile(x, mass, level) for level in (tail, 1.0 - tail))
    return Trajectory(mass @ x, lower, upper, confidence, float(s))


def _posterior(model: Likelihood, K: int, s: float) -> FloatArray:
    """Posterior node measure (T+1, K+1)."""
    setting, drift, start = model.setting(K), model.drift(K), model.start_measure(K)
    emission = np.ascontiguousarray(setting.emission[:, 0])
    schedule = (drift, setting.drift_of, emission, setting.emission_of)
    values = grid.backward_path(s, model.h, model.diploid, *schedule)
    assert start is not None  # a profiled start was refused
    return np.asarray(grid.posterior_nodes(s, model.h, model.diploid, *schedule, start, values))


def _quantile(x: FloatArray, mass: FloatArray, level: float) -> FloatArray:
    """Quantile of each row of masses at nodes x, with the mass of a node spread to its middles."""
    total = np.cumsum(mass, axis=1)
    # Interpolation weights may be slightly negative next to a sharp peak.
    reached = np.maximum.accumulate(total - 0.5 * mass, axis=1)
    return np.array([np.interp(level, row, x) for row in reached])
