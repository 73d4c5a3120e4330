"""Forward search for several QTL: each is tested beside those found before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray
from refsolve.core.result import Result
from refsolve.methods.lmm_scan.estimator.peaks import Peak, find_peak
from refsolve.methods.lmm_scan.estimator.scan import GenomeScan, scan
from refsolve.methods.lmm_scan.model.design import Design, no_covariates
from refsolve.methods.lmm_scan.model.genome import Genome
from refsolve.methods.lmm_scan.model.kinship import Choice, chosen_kinship
from refsolve.methods.lmm_scan.model.null import Criterion, phenotype_matrix

if TYPE_CHECKING:
    import pandas as pd

MOST = 5
ROUNDS = 3  # of moving every QTL beside the others


@dataclass(frozen=True, slots=True)
class QtlModel(Result):
    """QTL that were found one after the other, each at its best place beside the others.

    Attributes
    ----------
    peaks
        Position, LOD and intervals of each, given all others; in the order of their discovery.
    history
        Largest LOD beside the QTL known at each step; the last is the one that was not enough, or
        that would have been one QTL too many.
    threshold
        Smallest LOD that was enough.
    design
        Covariates and the founder columns of all QTL.
    converged
        Whether the last round moved no QTL.
    """

    peaks: tuple[Peak, ...]
    history: FloatArray
    threshold: float
    design: Design
    converged: bool

    def to_frame(self) -> pd.DataFrame:
        """One row per QTL."""
        import pandas as pd

        names = ("chromosome", "position", "lod", "support", "bayes")
        return pd.DataFrame([{name: getattr(p, name) for name in names} for p in self.peaks])


def forward_search(
    genome: Genome,
    phenotype: ArrayLike,
    design: Design | None = None,
    *,
    threshold: float,
    kinship: Choice | ArrayLike = "loco",
    most: int = MOST,
    criterion: Criterion = "reml",
) -> QtlModel:
    """Add QTL one at a time while the best reaches the threshold, then move each beside the others.

    Parameters
    ----------
    genome, phenotype, design, kinship, criterion
        As of `scan`; one trait.
    threshold
        LOD from permutations.
    most
        Largest number of QTL.
    """
    if phenotype_matrix(phenotype).shape[1] != 1:
        raise ValueError("phenotype has several columns; search one trait at a time")
    if not threshold > 0.0:
        raise ValueError(f"threshold = {threshold}; expected a positive LOD")
    base = no_covariates(genome.n_lines) if design is None else design
    matrices = chosen_kinship(genome, kinship)
    task = _Task(genome, phenotype, base, matrices, criterion)
    found: list[Peak] = []
    history: list[float] = []
    while True:
        best = find_peak(task.scan(found))
        history.append(best.lod)
        if best.lod < threshold or len(found) == most:
            break
        found.append(best)
    converged = False
    for _ in range(ROUNDS):
        before = [one.index for one in found]
        for k in range(len(found)):
            found[k] = task.moved(found, k)
        converged = before == [one.index for one in found]
        if converged:
            break
    columns = task.design(found)
    return QtlModel(tuple(found), np.asarray(history), threshold, columns, converged)


class _Task(NamedTuple):
    """What does not change between the steps of a search."""

    genome: Genome
    phenotype: ArrayLike
    base: Design
    kinships: list[FloatArray | None]
    criterion: Criterion

    def design(self, found: Sequence[Peak]) -> Design:
        """Covariates and the founder columns of QTL."""
        out = self.base
        for one in found:
            columns = self.genome.at(one.chromosome, one.index)[:, 1:]
            place = f"{one.chromosome}@{one.position:.6g}"
            out = out.beside(columns, [f"{place}:{name}" for name in self.genome.founders[1:]])
        return out

    def scan(self, found: Sequence[Peak], chromosome: str | None = None) -> GenomeScan:
        """Scan beside QTL, of one chromosome or of all."""
        where = self.genome if chromosome is None else self.genome.only(chromosome)
        kinships = [self.kinships[self.genome.index(label)] for label in where.chromosome]
        given = [one for one in kinships if one is not None]
        chosen: Choice | ArrayLike = np.stack(given) if given else "none"
        return scan(
            where, self.phenotype, self.design(found), kinship=chosen, criterion=self.criterion
        )

    def moved(self, found: Sequence[Peak], k: int) -> Peak:
        """QTL k at its best place on its chromosome beside the others."""
        others = [one for j, one in enumerate(found) if j != k]
        return find_peak(self.scan(others, found[k].chromosome))
