"""Named pieces of work that show where the method spends its time."""

from __future__ import annotations

import numpy as np

from refsolve.core.workload import Workload
from refsolve.methods.tracts.estimator.labels import infer_inversions
from refsolve.methods.tracts.estimator.pulse import fit_pulse
from refsolve.methods.tracts.model.container import Tracts
from refsolve.methods.tracts.model.counts import count_paths
from refsolve.methods.tracts.model.demography import pulses
from refsolve.methods.tracts.model.likelihood import chain_log_likelihood

PER_CHROMOSOME = 14  # tracts
CHROMOSOMES = 22
LENGTH = 1.6  # Morgans
ROW = 4 + 4 + 8 + 8 + 1  # bytes of a tract


def workloads() -> list[Workload]:
    """Counts and one pulse of a cohort, two pulses of it, and labels of one individual.

    Returns
    -------
    Workloads of at most a few seconds.
    """
    return [_pulse(2000), _two_pulses(2000), _labels()]


def _tracts(n_haplotypes: int) -> Tracts:
    """Tracts of alternating ancestry, of unequal lengths."""
    cells, inside = n_haplotypes * CHROMOSOMES, np.arange(PER_CHROMOSOME + 1)
    edges = LENGTH * (inside / PER_CHROMOSOME) ** 1.3
    cell = np.repeat(np.arange(cells, dtype=np.int32), PER_CHROMOSOME)
    return Tracts(
        haplotype=cell // CHROMOSOMES,
        chromosome=cell % CHROMOSOMES,
        start=np.tile(edges[:-1], cells),
        end=np.tile(edges[1:], cells),
        ancestry=((np.arange(cell.size) + cell) % 2).astype(np.int8),
        lengths=np.full(CHROMOSOMES, LENGTH),
    )


def _pulse(n_haplotypes: int) -> Workload:
    tracts = _tracts(n_haplotypes)
    return Workload(
        name=f"one pulse of {n_haplotypes // 2} individuals, counts and interval",
        run=lambda: fit_pulse(count_paths(tracts, by="all")),
        flops=3.0 * tracts.n_tracts,
        bytes=float(ROW * tracts.n_tracts),
        unit="tracts",
        items=tracts.n_tracts,
    )


def _two_pulses(n_haplotypes: int) -> Workload:
    tracts = _tracts(n_haplotypes)
    history = pulses([(20, [0.4, 0.6]), (8, [0.1, 0.0])])
    states = 2
    return Workload(
        name=f"likelihood of two pulses, {n_haplotypes // 2} individuals",
        run=lambda: chain_log_likelihood(tracts, history),
        flops=tracts.n_tracts * (2.0 * states**2 + 20.0 * states),
        bytes=float(ROW * tracts.n_tracts),
        unit="tracts",
        items=tracts.n_tracts,
    )


def _labels() -> Workload:
    tracts = _tracts(2)
    climbs, sweeps, maximum = CHROMOSOMES + 1, 2, 60.0
    return Workload(
        name=f"labels of {CHROMOSOMES} chromosomes of one individual",
        run=lambda: infer_inversions(tracts),
        flops=climbs * sweeps * CHROMOSOMES * 2 * maximum,
        bytes=float(ROW * tracts.n_tracts),
        unit="configurations",
        items=float(climbs * sweeps * CHROMOSOMES),
    )
