"""Any demography of a few parameters, fitted to a cohort by maximum likelihood."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize

from refsolve.core.check import FloatArray
from refsolve.core.errors import AnalysisError
from refsolve.core.result import Result
from refsolve.methods.tracts.model.container import Tracts
from refsolve.methods.tracts.model.demography import Demography
from refsolve.methods.tracts.model.likelihood import (
    LengthCounts,
    Mapper,
    chain_log_likelihood,
    length_log_likelihood,
)

Build = Callable[[FloatArray], Demography]

FAR = 1e3  # log units below the likeliest start: a demography that is impossible
EDGE = 1e-3  # nearer than this to a bound, relative to the range, is at the bound
GAIN = 1e-6  # log units that are worth a restart
STEP = 1e-3  # of the finite differences of the information, relative to the range of estimates


@dataclass(frozen=True, slots=True, eq=False)
class DemographyFit(Result):
    """Parameters of a demography at the maximum of the likelihood.

    Attributes
    ----------
    names
        Names of the parameters.
    estimate
        Estimates (P,).
    se
        Standard errors (P,) from the observed information; NaN at a bound.
    covariance
        Of the estimates (P, P).
    log_likelihood
        At the maximum.
    at_bound
        Parameters (P,) at an end of their range.
    identified
        The information is positive definite in the parameters that are not at a bound.
    demography
        The demography at the estimates.
    evaluations
        Likelihoods computed.
    """

    names: tuple[str, ...]
    estimate: FloatArray
    se: FloatArray
    covariance: FloatArray
    log_likelihood: float
    at_bound: NDArray[np.bool_]
    identified: bool
    demography: Demography
    evaluations: int


def fit_demography(
    data: Tracts | LengthCounts,
    build: Build,
    starts: ArrayLike,
    bounds: Sequence[tuple[float, float]],
    *,
    names: Sequence[str] = (),
    map_: Mapper = map,
) -> DemographyFit:
    """Fit the parameters of any demography.

    Parameters
    ----------
    data
        Tracts, fitted by the exact likelihood of whole paths, or their lengths by bins, fitted as
        if every bin were Poisson.
    build
        Demography of parameters (P,); ValueError marks impossible ones.
    starts
        Parameters from which to climb, (P,) or (S, P).
    bounds
        Range of each parameter; one that is positive throughout is searched by its logarithm.
    names
        Names of the parameters.
    map_
        How parts of a likelihood are run.

    Raises
    ------
    AnalysisError
        The data are impossible at every start.
    """
    search = _Search(data, build, np.asarray(bounds, np.float64), map_)
    trials = [search.climb(start) for start in np.atleast_2d(np.asarray(starts, np.float64))]
    best, value = max(trials, key=lambda trial: trial[1])
    if not np.isfinite(value):
        raise AnalysisError(
            "The tracts are impossible under the demography at every start.",
            hint="Start elsewhere, or let every ancestry that is seen arrive.",
        )
    covariance, at_bound = search.covariance(best)
    return DemographyFit(
        names=tuple(names) or tuple(f"p{i}" for i in range(best.size)),
        estimate=best,
        se=np.sqrt(np.diag(covariance)),
        covariance=covariance,
        log_likelihood=value,
        at_bound=at_bound,
        identified=bool(np.isfinite(np.diag(covariance)[~at_bound]).all()),
        demography=build(best),
        evaluations=search.evaluations,
    )


class _Search:
    """One likelihood surface, searched on scales without units."""

    def __init__(
        self, data: Tracts | LengthCounts, build: Build, bounds: FloatArray, map_: Mapper
    ) -> None:
        self.data = data.joined() if isinstance(data, Tracts) else data
        self.build, self.bounds, self.map_ = build, bounds, map_
        self.log = bounds[:, 0] > 0.0
        self.evaluations = 0

    def value(self, x: FloatArray) -> float:
        self.evaluations += 1
        try:
            demography = self.build(x)
        except ValueError:
            return -np.inf
        if isinstance(self.data, Tracts):
            return chain_log_likelihood(self.data, demography, map_=self.map_)
        return length_log_likelihood(self.data, demography)

    def scaled(self, x: FloatArray) -> FloatArray:
        return np.where(self.log, np.log(np.where(self.log, x, 1.0)), x)

    def natural(self, z: FloatArray) -> FloatArray:
        x = np.where(self.log, np.exp(np.where(self.log, z, 0.0)), z)
        return np.clip(x, self.bounds[:, 0], self.bounds[:, 1])

    def climb(self, start: FloatArray) -> tuple[FloatArray, float]:
        first = self.value(start)
        if not np.isfinite(first):
            return start, first

        def cost(z: FloatArray) -> float:
            value = self.value(self.natural(z))
            return first - value if np.isfinite(value) else FAR + abs(first)

        box = np.stack([self.scaled(self.bounds[:, 0]), self.scaled(self.bounds[:, 1])], axis=1)
        options = {"ftol": 1e-10, "gtol": 1e-6, "maxiter": 500, "maxfun": 5000}
        z, before = self.scaled(start), np.inf
        for _ in range(3):  # a restart forgets the curvature of where it came from
            found = minimize(cost, z, method="L-BFGS-B", bounds=box, options=options)
            z = found.x
            if before - found.fun < GAIN:
                break
            before = found.fun
        best = self.natural(z)
        value = self.value(best)
        return (best, value) if value >= first else (start, first)

    def covariance(self, best: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
        low, high = self.bounds.T
        margin = EDGE * np.where(self.log, best, high - low)
        at_bound = (best - low <= margin) | (high - best <= margin)
        free = np.flatnonzero(~at_bound).tolist()
        out = np.full((best.size, best.size), np.nan)
        step = STEP * np.minimum(np.where(self.log, best, high - low), high - low)
        information = np.empty((len(free), len(free)))
        for a, i in enumerate(free):
            for b, j in enumerate(free[: a + 1]):
                information[a, b] = information[b, a] = -self._second(best, i, j, step)
        if free and np.all(np.linalg.eigvalsh(information) > 0.0):
            out[np.ix_(free, free)] = np.linalg.inv(information)
        return out, at_bound

    def _second(self, x: FloatArray, i: int, j: int, step: FloatArray) -> float:
        total = 0.0
        for a in (1.0, -1.0):
            for b in (1.0, -1.0):
                y = x.copy()
                y[i] += a * step[i]
                y[j] += b * step[j]
                total += a * b * self.value(y)
        return float(total / (4.0 * step[i] * step[j]))
