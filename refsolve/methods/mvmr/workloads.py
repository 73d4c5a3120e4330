"""Named pieces of work that show where the method spends its time."""

from __future__ import annotations

import numpy as np

from refsolve.core.check import FloatArray
from refsolve.core.workload import Workload
from refsolve.methods.mvmr.estimator import fit_pleiotropy, fit_robust
from refsolve.methods.mvmr.estimator.search import LARGEST_SHARE
from refsolve.methods.mvmr.kernels.regression import refits
from refsolve.methods.mvmr.model.summary import Summary

NUMBER = 8  # bytes
STRENGTH = 12.0  # z-scores of the exposures


def workloads() -> list[Workload]:
    """Bootstrap refits, the search for direct effects, and a robust fit.

    Returns
    -------
    Workloads of at most a few seconds.
    """
    return [_refits(1000, 200, 2), _pleiotropy(60), _robust(60)]


def locus(n_variants: int, n_exposures: int = 2) -> Summary:
    """Instruments in decaying LD, with three direct effects.

    Parameters
    ----------
    n_variants, n_exposures
        How many.
    """
    rng = np.random.default_rng(n_variants)
    ld = 0.8 ** np.abs(np.subtract.outer(np.arange(n_variants), np.arange(n_variants)))
    root = np.linalg.cholesky(ld)
    x = STRENGTH * rng.standard_normal((n_variants, n_exposures))
    noise = root @ rng.standard_normal((n_variants, n_exposures + 1))
    y = x @ np.full(n_exposures, 0.3) + noise[:, -1]
    y[:: n_variants // 3] += 8.0
    one = np.ones(n_variants)
    return Summary(x + noise[:, :-1], np.ones_like(x), y, one, ld)


def _data(n_refits: int, n_variants: int, n_exposures: int) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(0)
    x = STRENGTH * rng.standard_normal((n_refits, n_variants, n_exposures))
    return x, 0.3 * x.sum(axis=2) + rng.standard_normal((n_refits, n_variants))


def _refits(n_refits: int, n_variants: int, n_exposures: int) -> Workload:
    x, y = _data(n_refits, n_variants, n_exposures)
    noise = np.eye(n_exposures)
    moments = (n_exposures + 1) * (n_exposures + 2) / 2
    return Workload(
        name=f"{n_refits} LIML refits of {n_exposures} exposures × {n_variants} variants",
        run=lambda: refits(x, y, noise),
        flops=2.0 * n_refits * n_variants * moments,
        bytes=NUMBER * (x.size + y.size),
        unit="refits",
        items=n_refits,
    )


def _pleiotropy(n_variants: int) -> Workload:
    data = locus(n_variants)
    # Every candidate of every size of both shapes is freed of the members and judged.
    sizes = np.arange(1, int(LARGEST_SHARE * n_variants))[:8]
    return Workload(
        name=f"search for direct effects among {n_variants} variants",
        run=lambda: fit_pleiotropy(data),
        flops=float(8.0 * n_variants**2 * (sizes + data.n_exposures).sum() * 2),
        bytes=NUMBER * 3.0 * n_variants**2,
        unit="fits",
        items=1,
    )


def _robust(n_variants: int) -> Workload:
    data = locus(n_variants)
    starts, rounds, columns = 500, 3, data.n_exposures + 1
    return Workload(
        name=f"robust fit of {n_variants} variants",
        run=lambda: fit_robust(data),
        flops=2.0 * starts * rounds * n_variants * columns**2,
        bytes=NUMBER * n_variants * (n_variants + 2.0 * columns),
        unit="fits",
        items=1,
    )
