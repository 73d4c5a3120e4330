"""Named pieces of work that show where the method spends its time."""

from __future__ import annotations

import numpy as np

from refsolve.core.workload import Workload
from refsolve.methods.founder_hmm.estimator.fitting import fit_founders
from refsolve.methods.founder_hmm.estimator.orientation import repair_orientation
from refsolve.methods.founder_hmm.estimator.probabilities import stream
from refsolve.methods.founder_hmm.model.designs import Design, exchangeable, ril
from refsolve.methods.founder_hmm.model.genotypes import Genotypes

FOUNDERS = 8
CHROMOSOMES = 5
LENGTH = 100.0  # centimorgans
SEGMENTS = 5  # of a line on a chromosome
PASS = 2.0 * 6.0 * FOUNDERS  # operations of a forward and a backward step


def workloads() -> list[Workload]:
    """Probabilities, error rate and repair of recombinant inbred lines.

    Returns
    -------
    Workloads of at most a few seconds.
    """
    return [_probabilities(500, 1000), _error(200, 100), _repair(200, 60)]


def simulated(n_lines: int, per_chromosome: int) -> Genotypes:
    """Lines of a few long segments each.

    Parameters
    ----------
    n_lines, per_chromosome
        Numbers of lines, and of markers on each of five chromosomes.
    """
    rng = np.random.default_rng(1)
    M = CHROMOSOMES * per_chromosome
    founders = (rng.random((M, FOUNDERS)) < 0.35).astype(np.int8)
    segment = np.arange(M) * CHROMOSOMES * SEGMENTS // M
    path = rng.integers(0, FOUNDERS, (n_lines, CHROMOSOMES * SEGMENTS))[:, segment]
    calls = founders[np.arange(M), path]
    wrong = rng.random(calls.shape) < 0.005
    calls = np.where(wrong, 1 - calls, calls)
    calls[rng.random(calls.shape) < 0.02] = -1
    position = np.sort(rng.uniform(0.0, LENGTH, (CHROMOSOMES, per_chromosome)), axis=1)
    return Genotypes(
        calls, founders, position.ravel(), np.repeat(np.arange(CHROMOSOMES), per_chromosome)
    )


def _probabilities(n_lines: int, per_chromosome: int) -> Workload:
    data, design = simulated(n_lines, per_chromosome), ril(FOUNDERS)
    return Workload(
        name=f"probabilities of {n_lines} lines x {data.n_markers} markers, 8 founders",
        run=lambda: consumed(data, design),
        flops=PASS * data.n_markers * n_lines,
        bytes=float((8 * FOUNDERS + 1) * data.n_markers * n_lines),
        unit="calls",
        items=float(data.n_markers * n_lines),
    )


def consumed(genotypes: Genotypes, design: Design, storage: str = "float64") -> float:
    """Reconstruct chromosome by chromosome and keep nothing but a sum.

    Parameters
    ----------
    genotypes, design, storage
        As in `stream`.
    """
    parts = stream(genotypes, design, 0.005, storage=storage)
    return float(sum(part.probability[0][0, 0, 0] for part in parts))


def _error(n_lines: int, per_chromosome: int) -> Workload:
    data = simulated(n_lines, per_chromosome)
    return Workload(
        name=f"error and expansion from {n_lines} lines x {data.n_markers} markers",
        run=lambda: fit_founders(data, exchangeable(FOUNDERS)),
        flops=PASS * data.n_markers * n_lines * 20.0,
        bytes=float(data.n_markers * n_lines * 20),
        unit="calls",
        items=float(data.n_markers * n_lines),
    )


def _repair(n_lines: int, per_chromosome: int) -> Workload:
    clean = simulated(n_lines, per_chromosome)
    data = clean.flipped(np.arange(clean.n_markers) % 23 == 5)
    return Workload(
        name=f"orientation of {data.n_markers} markers, {n_lines} lines",
        run=lambda: repair_orientation(data, exchangeable(FOUNDERS)),
        flops=PASS * data.n_markers * n_lines * 40.0,
        bytes=float(data.n_markers * n_lines * 40),
        unit="calls",
        items=float(data.n_markers * n_lines),
    )
