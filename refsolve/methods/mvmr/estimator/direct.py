"""Direct effects of single variants: which variants, of which shape, and the fit beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.special import chdtri

from refsolve.core.check import FloatArray
from refsolve.core.result import Result
from refsolve.methods.mvmr.estimator.liml import liml_estimate
from refsolve.methods.mvmr.estimator.robust import robust_starts
from refsolve.methods.mvmr.estimator.search import (
    Found,
    Index,
    Rows,
    deviance,
    extended_price,
    rows_of,
    search,
)
from refsolve.methods.mvmr.model.effects import EffectFit, refuse_alike, report
from refsolve.methods.mvmr.model.pleiotropy import SHAPES, Shape, check_shape
from refsolve.methods.mvmr.model.summary import Summary, Whitened, whiten

EITHER = 2.0  # difference of criteria below which the shapes are not told apart
NAMES = {"none": "LIML", "ld": "LIML beside direct effects", "variant": "LIML without outliers"}


@dataclass(frozen=True, slots=True)
class PleiotropyFit(Result):
    """Effects of the exposures beside direct effects of a few variants.

    Attributes
    ----------
    shape
        `variant`: each direct effect shifts its own variant only; `ld`: it spreads through LD;
        `none`: no variant has one.
    told_apart
        Whether the criteria of the two shapes differ by more than 2.
    variants
        Variants with a direct effect; neighbours of the instruments, which only the shape `ld`
        can name, come last.
    index
        Rows of those that are instruments.
    alpha, alpha_se
        Direct effects of `variants` in the outcome's unit per allele.
    score
        z-score of a direct effect of every instrument, given those that are modelled (J,).
    criterion
        Information criterion of no direct effect and of the best set of each shape.
    gap
        Criterion of the other shape minus that of the chosen one; NaN where there is no choice.
    fit
        LIML beside the direct effects, with multiplicative overdispersion where it is modelled.
    """

    shape: Literal["none", "variant", "ld"]
    told_apart: bool
    variants: tuple[str, ...]
    index: Index
    alpha: FloatArray
    alpha_se: FloatArray
    score: FloatArray
    criterion: dict[str, float]
    gap: float
    fit: EffectFit


def fit_pleiotropy(
    data: Summary,
    *,
    shape: Literal["auto", "variant", "ld"] = "auto",
    confidence: float = 0.95,
) -> PleiotropyFit:
    """Find the variants with direct effects, decide the shape of these, and fit beside them.

    Sets grow by the variant that lowers the heterogeneity most and are improved by exchanges; the
    extended Bayesian criterion of Chen and Chen (2008, doi:10.1093/biomet/asn034) chooses the size
    and the shape. Effects that spread through LD may also come from variants that `select` left
    out. Without LD both shapes are the same. What identifies θ is that most instruments have no
    direct effect.

    Parameters
    ----------
    data
        Instruments.
    shape
        `auto` decides between the shapes.
    confidence
        Nominal coverage of the intervals.
    """
    if shape != "auto":
        check_shape(shape)
    shapes = SHAPES if shape == "auto" else (shape,)
    candidates = _candidates(data, shapes)
    doubt = 2.0 * math.log(len(shapes))
    found = {
        s: search(
            rows,
            lambda m, n=rows.columns.shape[1]: (  # type: ignore[misc]
                extended_price(data.n_variants, n, m) + doubt * (m > 0)
            ),
        )
        for s, rows in candidates.items()
    }
    return _reported(data, candidates, found, confidence)


def fit_without_outliers(
    data: Summary, *, p_threshold: float = 0.05, confidence: float = 0.95
) -> PleiotropyFit:
    """Leave out the variants whose residuals are improbable at a Bonferroni threshold.

    Parameters
    ----------
    data
        Instruments.
    p_threshold
        Probability that a variant without direct effect is left out anywhere.
    confidence
        Nominal coverage of the intervals.
    """
    candidates = _candidates(data, ("variant",))
    price = float(chdtri(1, p_threshold / data.n_variants))
    found = search(candidates["variant"], lambda m: m * price)
    return _reported(data, candidates, {"variant": found}, confidence)


def fit_constrained(data: Summary, n: float, *, confidence: float = 0.95) -> PleiotropyFit:
    """Maximum likelihood with as many invalid variants as the BIC of a sample of n asks for.

    Parameters
    ----------
    data
        Instruments.
    n
        People of the smallest study: the price of an invalid variant is log n.
    confidence
        Nominal coverage of the intervals.
    """
    candidates = _candidates(data, ("variant",))
    price = math.log(n)
    found = search(candidates["variant"], lambda m: m * price, scaled=False)
    return _reported(data, candidates, {"variant": found}, confidence, overdispersed=False)


def _candidates(data: Summary, shapes: tuple[Shape, ...]) -> dict[Shape, Rows]:
    white = whiten(data)
    refuse_alike(data, white)
    starts = robust_starts(white)
    return {s: rows_of(data, white, s, starts) for s in shapes}


def _reported(
    data: Summary,
    candidates: Mapping[Shape, Rows],
    found: Mapping[Shape, Found],
    confidence: float,
    *,
    overdispersed: bool = True,
) -> PleiotropyFit:
    best = min(found, key=lambda s: found[s].criterion)
    rows, members = candidates[best], found[best].members
    shape: Literal["none", "variant", "ld"] = best if members.size else "none"
    gaps = [f.criterion - found[best].criterion for s, f in found.items() if s != best]
    gap = gaps[0] if gaps and members.size else math.nan
    fit = _fit_beside(data, rows, members, NAMES[shape], confidence, float(overdispersed))
    alpha, alpha_se = _alphas(rows, members, fit)
    names = (*data.variants, *data.neighbours)
    unit = np.concatenate([data.outcome_se, data.neighbour_se])[members]
    alone = float(np.sum(_residual(rows.scaled[:, 0], rows.scaled[:, 1:]) ** 2))
    return PleiotropyFit(
        shape=shape,
        told_apart=bool(gap > EITHER),
        variants=tuple(names[m] for m in members),
        index=members[members < data.n_variants],
        alpha=alpha * unit,
        alpha_se=alpha_se * unit,
        score=_scores(rows, members, fit.theta)[: data.n_variants],
        criterion={
            "none": deviance(alone, data.n_variants),
            **{s: f.criterion for s, f in found.items()},
        },
        gap=gap,
        fit=fit,
    )


def _fit_beside(
    data: Summary, rows: Rows, members: Index, name: str, confidence: float, spread: float
) -> EffectFit:
    """LIML in the rows that are orthogonal to the direct effects; spread 0: no overdispersion."""
    white = rows.white
    free = _orthogonal(white, rows.columns[:, members])
    df = data.n_variants - data.n_exposures - members.size
    found = liml_estimate(free, df, np.full(free.y.size, spread))
    v = found.factor + found.theta @ white.mean_noise @ found.theta
    weight = np.ones(data.n_variants)
    weight[members[members < data.n_variants]] = 0.0
    residual = (white.y - white.x @ found.theta) / math.sqrt(v)
    found = replace(found, residual=residual, weight=weight)
    return report(name, data, replace(white, x=free.x, y=free.y), found, confidence)


def _orthogonal(white: Whitened, columns: FloatArray) -> Whitened:
    """Rows in the complement of the columns; the noise of the exposures averaged."""
    if columns.shape[1] == 0:
        return white
    basis = np.linalg.qr(columns, mode="complete")[0][:, columns.shape[1] :]
    x, y = basis.T @ white.x, basis.T @ white.y
    noise = np.broadcast_to(white.mean_noise, (y.size, *white.mean_noise.shape)).copy()
    return Whitened(np.ascontiguousarray(x), y, noise, True, np.ones(y.size), basis)


def _alphas(rows: Rows, members: Index, fit: EffectFit) -> tuple[FloatArray, FloatArray]:
    """Direct effects in z-scores and their standard errors."""
    white, columns = rows.white, rows.columns[:, members]
    if members.size == 0:
        return np.empty(0), np.empty(0)
    inverse = np.linalg.inv(columns.T @ columns)
    alpha = inverse @ columns.T @ (white.y - white.x @ fit.theta)
    v = fit.overdispersion + fit.theta @ white.mean_noise @ fit.theta
    slope = inverse @ columns.T @ white.x
    covariance = v * inverse + slope @ fit.covariance @ slope.T
    return np.asarray(alpha), np.sqrt(np.diag(covariance))


def _scores(rows: Rows, members: Index, theta: FloatArray) -> FloatArray:
    """z-score of every column beside the exposures and the other members (M,)."""
    x, y, columns = rows.white.x, rows.white.y, rows.columns
    v = math.sqrt(1.0 + theta @ rows.white.mean_noise @ theta)
    rest = _residual(columns, np.column_stack([x, columns[:, members]]))
    for m in members:
        others = np.column_stack([x, columns[:, members[members != m]]])
        rest[:, m] = _residual(columns[:, m], others)
    size = np.sqrt((rest**2).sum(axis=0))
    clear = size > 1e-6 * np.sqrt((columns**2).sum(axis=0))
    out = np.zeros(columns.shape[1])
    out[clear] = (rest.T @ y)[clear] / size[clear] / v
    return out


def _residual(columns: FloatArray, design: FloatArray) -> FloatArray:
    """Columns without their projection on the design."""
    basis = np.linalg.qr(design)[0]
    return np.asarray(columns - basis @ (basis.T @ columns), dtype=np.float64)
