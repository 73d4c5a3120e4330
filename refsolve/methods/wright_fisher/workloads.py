"""Named pieces of work that show where the method spends its time."""

from __future__ import annotations

import math

import numpy as np

from refsolve.core.check import FloatArray
from refsolve.core.workload import Workload
from refsolve.methods.wright_fisher.kernels.exact import CUT
from refsolve.methods.wright_fisher.kernels.parts import HERMITE, STENCIL
from refsolve.methods.wright_fisher.model.likelihood import Likelihood
from refsolve.methods.wright_fisher.model.samples import Samples

GENERATIONS = 300
SAMPLES = 31
READS = 100
SIZE = 10_000
NUMBER = 8  # bytes


def workloads() -> list[Workload]:
    """One locus on the grid, many loci on the grid, and the chain on counts.

    Returns
    -------
    Workloads of at most a few seconds. Operations are counted from the widths of the operators: the
    span of the Gauss rule, the stencil, and the counts that a transition keeps.
    """
    return [_one_locus(201, 128), _many_loci(1000, 8, 64), _exact(1000, 3)]


def _samples(n_loci: int | None) -> Samples:
    generation = np.linspace(0, GENERATIONS, SAMPLES).round().astype(np.int64)
    frequency = 1.0 / (1.0 + np.exp(2.5 - generation / 60.0))
    loci = np.ones(() if n_loci is None else (n_loci, 1))
    derived = np.rint(loci * frequency * READS).astype(np.int64)
    return Samples(generation, derived, np.full_like(derived, READS), np.array(0.1), np.array(0.01))


def _run(n_loci: int | None, sizes: FloatArray, s: FloatArray, K: int) -> FloatArray:
    mode = "grid" if K else "exact"
    return Likelihood(_samples(n_loci), sizes, mode=mode).at(s, K)


def _grid_terms(K: int) -> float:
    """Weights of one generation: drift and selection."""
    span = 2.0 * HERMITE.max() * K / (math.pi * math.sqrt(SIZE))
    return float((K + 1) * (span + 2.0 * STENCIL))


def _one_locus(n_s: int, K: int) -> Workload:
    sizes, s = np.full(GENERATIONS + 1, float(SIZE)), np.linspace(-0.1, 0.3, n_s)
    terms = _grid_terms(K)
    return Workload(
        name=f"one locus × {n_s} s × {GENERATIONS} generations, grid of {K}",
        run=lambda: _run(None, sizes, s, K),
        flops=2.0 * n_s * GENERATIONS * terms,
        bytes=NUMBER * (n_s * terms + SAMPLES * (K + 1) + n_s),
        unit="likelihoods",
        items=n_s,
    )


def _many_loci(n_loci: int, n_s: int, K: int) -> Workload:
    sizes, s = np.full(GENERATIONS + 1, float(SIZE)), np.linspace(-0.1, 0.3, n_s)
    terms, width = _grid_terms(K), K + 1
    operators = 2.0 * GENERATIONS * terms * width
    products = 2.0 * SAMPLES * width**2 * n_loci
    return Workload(
        name=f"{n_loci} loci × {n_s} s × {GENERATIONS} generations, grid of {K}",
        run=lambda: _run(n_loci, sizes, s, K),
        flops=n_s * (operators + products),
        bytes=NUMBER * n_s * (terms + 3.0 * SAMPLES * width * n_loci),
        unit="likelihoods",
        items=n_loci * n_s,
    )


def _exact(size: int, n_s: int) -> Workload:
    sizes, s = np.full(GENERATIONS + 1, float(size)), np.linspace(0.0, 0.1, n_s)
    # Mean width of a binomial that is cut at a fraction CUT of its mode: E sqrt(x(1-x)) = π/8.
    kept = 2.0 * math.sqrt(-2.0 * math.log(CUT) * size) * math.pi / 8.0
    terms = (size + 1) * kept
    return Workload(
        name=f"one locus × {n_s} s × {GENERATIONS} generations, chain on {size} counts",
        run=lambda: _run(None, sizes, s, 0),
        flops=2.0 * n_s * GENERATIONS * terms,
        bytes=NUMBER * n_s * GENERATIONS * terms,
        unit="likelihoods",
        items=n_s,
    )
