"""Named pieces of work that show where the method spends its time."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from refsolve.core.check import IntArray
from refsolve.core.workload import Workload
from refsolve.methods.ambient.estimator.correction import remove_ambient
from refsolve.methods.ambient.estimator.droplets import call_droplets
from refsolve.methods.ambient.estimator.fraction import donor_contamination
from refsolve.methods.ambient.estimator.groups import donor_groups
from refsolve.methods.ambient.estimator.profile import ambient_profile
from refsolve.methods.ambient.estimator.states import call_states

BYTES = 8  # of a value and its place


def workloads() -> list[Workload]:
    """Profile with contamination, exact removal, call of droplets, states and groups.

    Returns
    -------
    Workloads of at most a few seconds.
    """
    rng = np.random.default_rng(1)
    cells = droplets(rng.integers(600, 1200, 20_000), 10_000, rng)
    size = np.append(rng.integers(15, 90, 50_000), rng.integers(200, 2000, 1000))
    empty = droplets(size, 5000, rng)
    return [_profile(cells), _removal(cells), _call(empty), _groups()]


def droplets(size: IntArray, genes: int, rng: np.random.Generator) -> csr_array:
    """Random droplets of equally frequent genes.

    Parameters
    ----------
    size
        Counts of each droplet.
    genes
        Number of genes.
    rng
        Source of the counts.
    """
    places = rng.integers(0, genes, int(size.sum()), np.int32)
    starts = np.append(0, np.cumsum(size)).astype(np.int32)
    ones = np.ones(places.size, np.float32)
    out = csr_array((ones, places, starts), shape=(size.size, genes))
    out.sum_duplicates()
    return out


def _profile(cells: Any) -> Workload:
    def run() -> object:
        total = np.asarray(cells.sum(axis=1), np.float64)
        found = ambient_profile(cells, high=np.inf)
        marker = cells[:, [0]].toarray().ravel()
        return donor_contamination(marker, total, None, found.share[0], share_se=found.se[0])

    return Workload(
        name=f"profile and contamination of {cells.shape[0]} droplets",
        run=run,
        flops=6.0 * cells.nnz,
        bytes=float(4 * cells.nnz * BYTES),
        unit="values",
        items=cells.nnz,
    )


def _removal(cells: Any) -> Workload:
    share = np.full(cells.shape[1], 1.0 / cells.shape[1])
    return Workload(
        name=f"exact removal from {cells.shape[0]} cells",
        run=lambda: remove_ambient(cells, share, 0.1),
        flops=12.0 * cells.nnz,
        bytes=float(cells.nnz * (BYTES + 12)),
        unit="values",
        items=cells.nnz,
    )


def _call(empty: Any) -> Workload:
    draws = 2000
    return Workload(
        name=f"call of {empty.shape[0]} droplets, {draws} draws",
        run=lambda: call_droplets(empty, draws=draws, rng=0),
        flops=15.0 * empty.nnz + 12.0 * draws * 220,
        bytes=float(6 * empty.nnz * BYTES),
        unit="droplets",
        items=empty.shape[0],
    )


def _groups() -> Workload:
    rng = np.random.default_rng(3)
    score = np.concatenate([rng.normal(2.0, 2.0, 3000), rng.normal(20.0, 4.0, 2000)])
    rho = np.concatenate([rng.normal(0.1, 0.02, 50), rng.normal(0.25, 0.02, 50)])

    def run() -> object:
        return call_states(score), donor_groups(rho, np.full(100, 0.01))

    return Workload(
        name="states of 5000 cells and groups of 100 donors",
        run=run,
        flops=2000.0 * 100 * 200 * 8,
        bytes=float(score.nbytes + rho.nbytes),
        unit="donors",
        items=100,
    )
