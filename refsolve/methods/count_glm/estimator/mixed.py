"""Donors with intercepts of their own: one gene, on cells or on donor totals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import chi2

from refsolve.core.check import FloatArray, IntArray, one_of, open_unit
from refsolve.core.errors import AnalysisError
from refsolve.methods.count_glm.model.design import CountData, codes_of, count_data
from refsolve.methods.count_glm.model.donors import (
    DonorRows,
    by_donor,
    columns_of_donors,
    donor_totals,
    lossless,
    same_within,
)
from refsolve.methods.count_glm.model.exposure import Exposure
from refsolve.methods.count_glm.model.intervals import WIDEST, end_of, quantile, two_sided, without
from refsolve.methods.count_glm.model.marginal import (
    Maximum,
    best_of_both,
    largest,
    uninformative,
)
from refsolve.methods.count_glm.model.results import MixedFit
from refsolve.methods.count_glm.model.spread import adjusted_spread, profile_of_spread

COLLAPSE = ("lossless", "always", "never")
MOST_NODES = 100
SURE = 0.25  # relative error of a spread up to which its log is normal
WIDEST_SPREAD = 30.0


def fit_donors(
    y: ArrayLike,
    x: ArrayLike,
    exposure: Exposure | ArrayLike,
    donor: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    family: Literal["poisson", "negative_binomial"] = "poisson",
    dispersion: float | None = None,
    nodes: int = 10,
    spread: Literal["adjusted", "ml"] = "adjusted",
    collapse: Literal["lossless", "always", "never"] = "lossless",
    interval: Literal["wald", "profile"] = "wald",
    level: float = 0.95,
) -> MixedFit:
    r"""Regression of counts with a random intercept of every donor, eqs. (7) to (9).

    The mean is :math:`A + S e^{x'\beta + u_d}` with :math:`u_d \sim N(0, \sigma^2)`. Intercepts
    are integrated out by adaptive Gauss-Hermite quadrature. Errors of the contamination of donors
    make them differ more, and are in the spread of the intercepts, not added to it.

    Parameters
    ----------
    y
        Counts (n,), of cells.
    x
        Covariates (n, p) with the intercept; names are taken from a data frame.
    exposure
        From `ambient_exposure`, or native counts (n,).
    donor
        Label of every row.
    names
        Of the columns.
    family
        Of the counts given the donor.
    dispersion
        Alpha of the negative binomial; None estimates it.
    nodes
        Of the quadrature; 1 is Laplace's approximation.
    spread
        Estimate of the donors' SD: adjusted for the coefficients (as restricted likelihood does),
        which few donors need, or by maximum likelihood.
    collapse
        Use donor totals for Poisson counts with covariates of donors: where nothing is lost
        (contamination is the same for all rows of a donor), always, or never.
    interval
        By the standard error (of the log of the donors' SD, where this is four times its error),
        or by the profile likelihood; with separated coefficients always by the standard error.
    level
        Coverage of the intervals.

    Returns
    -------
    Fit with t intervals; degrees of freedom are donors less the columns that only donors differ in.

    Raises
    ------
    AnalysisError
        The design is singular, or there are fewer donors than coefficients and two.
    """
    one_of(family, "family", ("poisson", "negative_binomial"))
    one_of(interval, "interval", ("wald", "profile"))
    one_of(spread, "spread", ("adjusted", "ml"))
    alpha = _dispersion(family, dispersion)
    _checked_nodes(nodes)
    data = count_data(y, x, exposure, names)
    codes, n_donors = codes_of(donor, data.y.size)
    between = columns_of_donors(data.x, codes, n_donors)
    _enough(n_donors, between)
    rows = _rows(data, codes, n_donors, family, one_of(collapse, "collapse", COLLAPSE))
    best, none, at_bound = best_of_both(rows, nodes, alpha)
    gain = max(2.0 * (best.value - none.value), 0.0)
    if spread == "adjusted" and not uninformative(rows, none):
        best, at_bound = adjusted_spread(rows, nodes, alpha, best, at_bound=at_bound)
    return _report(
        rows, best, none, gain, at_bound, family, alpha, nodes, data.y.size, between, interval,
        spread == "adjusted",
        open_unit(level, "level"),
    )  # fmt: skip


def _dispersion(family: str, dispersion: float | None) -> float | None:
    if family == "poisson":
        if dispersion:
            raise ValueError(
                f"dispersion = {dispersion} needs family = 'negative_binomial'; Poisson has none"
            )
        return 0.0
    if dispersion is not None and not 0.0 <= dispersion < np.inf:
        raise ValueError(f"dispersion = {dispersion} must be a finite number of at least zero")
    return dispersion


def _checked_nodes(nodes: int) -> None:
    if nodes != int(nodes) or not 1 <= nodes <= MOST_NODES:
        raise ValueError(
            f"nodes = {nodes} must be a whole number from 1 to {MOST_NODES}; ten are plenty"
        )


def _enough(n_donors: int, p: int) -> None:
    if n_donors < p + 2:
        raise AnalysisError(
            f"{n_donors} donors cannot tell {p} coefficients of donors and their spread.",
            hint="Add donors or leave out covariates; more cells do not help.",
        )


def _rows(data: CountData, codes: IntArray, n: int, family: str, collapse: str) -> DonorRows:
    possible = family == "poisson" and same_within(data.x, codes, n)
    if collapse == "always" and not possible:
        raise ValueError(
            "collapse = 'always' needs Poisson counts and covariates that are the same for all "
            "rows of a donor; use 'never'"
        )
    chosen = collapse == "always" or (
        collapse == "lossless" and possible and lossless(data.exposure, codes, n)
    )
    return donor_totals(data, codes, n) if chosen else by_donor(data, codes, n)


def _report(
    rows: DonorRows,
    best: Maximum,
    none: Maximum,
    gain: float,
    at_bound: bool,
    family: str,
    alpha: float | None,
    nodes: int,
    n: int,
    between: int,
    interval: str,
    adjusted: bool,
    level: float,
) -> MixedFit:
    p = best.beta.size
    df = float(rows.n_donors - between)
    covariance = best.covariance[:p, :p]
    se = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    ratio = best.beta / np.where(se > 0, se, np.nan)
    z = quantile(level, df)
    ends = np.column_stack([best.beta - z * se, best.beta + z * se])
    if interval == "profile":
        held = best.sd if adjusted else None
        ends = _profile_ends(rows, best, alpha, nodes, held, se, z)
    return MixedFit(
        names=rows.data.names, effect=best.beta, se=se, interval=ends, statistic=ratio,
        p=two_sided(ratio, df), df=df, covariance=covariance, family=family,
        dispersion=best.alpha, sd=best.sd,
        sd_se=np.nan if at_bound else float(np.sqrt(max(best.covariance[p, p], 0.0))),
        sd_interval=_sd_interval(rows, best, none, nodes, level, interval == "wald", adjusted),
        sd_p=1.0 if gain == 0.0 else 0.5 * float(chi2.sf(gain, 1)), at_bound=at_bound,
        log_likelihood=best.value + rows.constant, intercepts=best.modes, nodes=nodes,
        collapsed=rows.collapsed, n=n, n_donors=rows.n_donors, converged=best.converged,
        separated=tuple(rows.data.names[k] for k in best.separated),
        interval_method=interval, level=level,
    )  # fmt: skip


def _profile_ends(
    rows: DonorRows,
    best: Maximum,
    alpha: float | None,
    nodes: int,
    sd: float | None,
    se: FloatArray,
    z: float,
) -> FloatArray:
    """Profile of each coefficient at a given spread, or at the best for each value."""

    def ends(k: int) -> tuple[float, float]:
        if best.separated:
            wide = np.inf if k in best.separated else z * float(se[k])
            return float(best.beta[k]) - wide, float(best.beta[k]) + wide
        first = (np.delete(best.beta, k), max(best.sd, 0.05), best.alpha)
        near = [first]

        def lost(value: float) -> float:
            held = DonorRows(without(rows.data, k, value), rows.start, 0.0, rows.collapsed)
            found = largest(held, nodes, alpha, sd=sd, start=near[0], errors=False)
            near[0] = (found.beta, max(found.sd, 0.05), found.alpha)
            return best.value - found.value - 0.5 * z * z

        centre, step = float(best.beta[k]), 1.1 * z * float(se[k])
        widest = WIDEST / float(np.abs(rows.data.x[:, k]).max())
        low = end_of(lost, centre, -step, widest)
        near[0] = first
        return low, end_of(lost, centre, step, widest)

    return np.array([ends(k) for k in range(best.beta.size)])


def _sd_interval(
    rows: DonorRows,
    best: Maximum,
    none: Maximum,
    nodes: int,
    level: float,
    wald: bool,
    adjusted: bool,
) -> tuple[float, float]:
    z, p = quantile(level, np.inf), best.beta.size
    if uninformative(rows, none):
        return 0.0, float("inf")
    variance = best.covariance[p, p] if best.sd > 0 else np.nan
    relative = np.sqrt(variance) / best.sd if variance > 0 else np.inf
    if wald and relative < SURE:
        factor = float(np.exp(z * relative))
        return best.sd / factor, best.sd * factor
    value = profile_of_spread(rows, nodes, best, adjusted=adjusted)
    top = value(best.sd)

    def lost(sd: float) -> float:
        return top - value(max(sd, 0.0)) - 0.5 * z * z

    high = end_of(lost, best.sd, 0.3 * best.sd + 0.05, WIDEST_SPREAD)
    if best.sd == 0.0 or lost(0.0) < 0.0:
        return 0.0, high
    return max(end_of(lost, best.sd, -0.3 * best.sd), 0.0), high
