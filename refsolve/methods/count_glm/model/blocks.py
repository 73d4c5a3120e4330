"""Tests of the variants around a block of genes, and permutations, eqs. (10) to (13)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

from refsolve.core.check import FloatArray, IntArray
from refsolve.methods.count_glm.model.metric import (
    largest_correlations,
    score_tests,
    with_weight,
)
from refsolve.methods.count_glm.model.nulls import NO_REFIT, Nulls, Refit, Work
from refsolve.methods.count_glm.model.resampling import (
    CorrelationTail,
    beta_approximation,
    cauchy_combination,
    chi_square_tail,
    correlation_tail,
)
from refsolve.methods.count_glm.model.variants import NOTHING_LEFT, OK, Described, describe

ROUNDING = 1e-12
Mapper = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]


@dataclass(frozen=True, slots=True)
class Block:
    """Genes that are tested together.

    Attributes
    ----------
    genes
        Their places (G,).
    y, native, ambient
        Counts (G, D), exposure and ambient part (G or 1, D).
    dosage
        Copies of all variants near any of them (v, D), NaN where missing.
    low, high
        Variants of each gene: rows low to high of `dosage` (G,).
    """

    genes: IntArray
    y: FloatArray
    native: FloatArray
    ambient: FloatArray
    dosage: FloatArray
    low: IntArray
    high: IntArray


@dataclass(frozen=True, slots=True)
class BlockResult:
    """Results of a block; what has one row per test stands in the order of the genes.

    Attributes
    ----------
    genes, low, high
        As of the block.
    spread, status
        Dispersions (or spreads of donors) and ends of the null fits (G,).
    described
        Variants of the block without their dosages.
    effect, se, p, p_beta, flag
        Of every test (T,).
    scale
        Pearson's statistics over degrees of freedom (G,).
    lead
        Row of the best variant of each gene, or -1 (G,).
    refit
        Effect, its standard error, and dispersion with the best variant in the model (G, 3).
    p_cauchy, p_permutation
        Of every gene (G,).
    shapes
        Of the beta distribution of its smallest p value (G, 2).
    """

    genes: IntArray
    low: IntArray
    high: IntArray
    spread: FloatArray
    status: tuple[str, ...]
    described: Described
    effect: FloatArray
    se: FloatArray
    p: FloatArray
    p_beta: FloatArray
    flag: NDArray[np.int8]
    scale: FloatArray
    lead: IntArray
    refit: FloatArray
    p_cauchy: FloatArray
    p_permutation: FloatArray
    shapes: FloatArray

    @property
    def lead_tests(self) -> IntArray:
        """Place among the tests of each gene's best variant (G,), meaningless without one."""
        size = self.high - self.low
        return np.asarray(np.cumsum(size) - size + self.lead - self.low)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is the same for all blocks.

    Attributes
    ----------
    work
        The model.
    orders
        Permuted donors (R, D).
    least
        Copies of the rarer allele that a variant must have.
    """

    work: Work
    orders: IntArray
    least: float


def scan_block(block: Block, plan: Plan) -> BlockResult:
    """Test all variants of all genes of a block.

    Parameters
    ----------
    block
        Genes, donors and variants.
    plan
        What is the same for all blocks.
    """
    nulls = plan.work.fit(block.y, block.native, block.ambient)
    known = describe(block.dosage, plan.least)
    square = known.dosage**2
    rows = [_gene(g, block, nulls, known, square, plan) for g in range(block.genes.size)]
    effect, se, p, p_beta, flag = (np.concatenate([r.tests[k] for r in rows]) for k in range(5))
    bare = Described(np.empty((0, 0)), *known[1:])
    return BlockResult(
        block.genes, block.low, block.high, nulls.spread, nulls.status, bare, effect, se, p, p_beta,
        flag.astype(np.int8), np.array([r.scale for r in rows]),
        np.array([r.lead for r in rows], np.int64),
        np.array([r.refit for r in rows]), np.array([r.p_cauchy for r in rows]),
        np.array([r.p_permutation for r in rows]), np.array([r.shapes for r in rows]),
    )  # fmt: skip


@dataclass(slots=True)
class _Gene:
    """Tests of one gene: effect, se, p, p_beta, flag (v,); and what is found of all of them."""

    tests: tuple[FloatArray, FloatArray, FloatArray, FloatArray, NDArray[np.int8]]
    scale: float = np.nan
    lead: int = -1
    refit: Refit = NO_REFIT
    p_cauchy: float = np.nan
    p_permutation: float = np.nan
    shapes: tuple[float, float] = (np.nan, np.nan)


def _gene(
    g: int, block: Block, nulls: Nulls, known: Described, square: FloatArray, plan: Plan
) -> _Gene:
    here = slice(int(block.low[g]), int(block.high[g]))
    dosage, flag = known.dosage[here], known.flag[here].copy()
    nothing = np.full(flag.size, np.nan)
    own = nulls.metrics[g]
    if own is None or own.spare < 2:
        return _Gene((nothing, nothing, nothing, nothing, flag))
    u, v = score_tests(dosage, square[here], own)
    flag[np.isnan(v) & (flag <= NOTHING_LEFT)] = NOTHING_LEFT
    statistic, total = u**2 / v, float((own.whitened**2).sum())
    scale, tail = total / own.spare, correlation_tail(own.spare)
    quasi = plan.work.family == "quasi_poisson"
    p = tail.exact(statistic / total) if quasi else chi_square_tail(statistic)
    se = np.sqrt((scale if quasi else 1.0) / v)
    out = _Gene((u / v, se, p, nothing, flag), scale)
    good = np.flatnonzero(flag == OK)
    if good.size == 0:
        return out
    best = int(good[np.argmax(statistic[good])])
    out.lead, out.p_cauchy = here.start + best, cauchy_combination(p[good])
    native, ambient = block.native[g % len(block.native)], block.ambient[g % len(block.ambient)]
    used = with_weight(own.root**2)
    out.refit = plan.work.refit(block.y[g], native, ambient, dosage[best], used)
    if len(plan.orders):
        largest = largest_correlations(dosage[good], v[good], own, plan.orders)
        _permuted(out, largest, statistic / total, best, tail)
    return out


def _permuted(
    out: _Gene, largest: FloatArray, seen: FloatArray, best: int, tail: CorrelationTail
) -> None:
    """P values of a gene from the largest squared correlations of permutations (R,)."""
    reached = int((largest >= seen[best] * (1.0 - ROUNDING)).sum())
    out.p_permutation = (1 + reached) / (1 + largest.size)
    a, b = beta_approximation(tail.quick(largest))
    out.shapes = float(a), float(b)
    effect, se, p, _, flag = out.tests
    out.tests = effect, se, p, np.asarray(betainc(a, b, tail.exact(seen))), flag
