"""Genome scan: evidence for founder effects at every position, for one or many traits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import fdtrc

from refsolve.core.check import FloatArray, IntArray
from refsolve.core.errors import AnalysisError
from refsolve.core.result import Result
from refsolve.methods.lmm_scan.estimator.positions import exact_lod, f_statistic, fixed_share_lod
from refsolve.methods.lmm_scan.model.design import Design, no_covariates
from refsolve.methods.lmm_scan.model.genome import Genome
from refsolve.methods.lmm_scan.model.kinship import Choice, chosen_kinship
from refsolve.methods.lmm_scan.model.null import (
    Criterion,
    NullModel,
    fit_trait,
    group_by_lines,
    phenotype_matrix,
    rotation,
    trait_names,
)

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class GenomeScan(Result):
    """Evidence for a QTL at every position.

    Attributes
    ----------
    chromosome, position
        Label and cM of every position (M,).
    traits
        Names (T,).
    lod
        log10 likelihood ratio of founder effects (M, T).
    f, p_value
        F statistic of the same and its p-value, pointwise (M, T).
    rank
        Founder columns that count beside the covariates (M, T).
    chromosomes
        Labels (C,).
    heritability
        Variance share of the kinship without founder effects (C, T); NaN without kinship.
    n_lines, missing
        Lines with a value of the trait, and lines set aside because they have none (T,).
    fixed
        Intercept and covariates of each trait.
    """

    chromosome: NDArray[np.str_]
    position: FloatArray
    traits: tuple[str, ...]
    lod: FloatArray
    f: FloatArray
    p_value: FloatArray
    rank: FloatArray
    chromosomes: tuple[str, ...]
    heritability: FloatArray
    n_lines: IntArray
    missing: IntArray
    fixed: tuple[tuple[str, ...], ...]

    def rows(self, chromosome: str) -> IntArray:
        """Indices of the positions of one chromosome.

        Parameters
        ----------
        chromosome
            Its label.
        """
        if chromosome not in self.chromosomes:
            known = ", ".join(self.chromosomes)
            raise ValueError(f"chromosome {chromosome!r} is unknown; there are {known}")
        return np.flatnonzero(self.chromosome == chromosome)

    def to_frame(self) -> pd.DataFrame:
        """One row per position and trait."""
        import pandas as pd

        m, t = self.lod.shape
        return pd.DataFrame(
            {
                "trait": np.repeat(self.traits, m),
                "chromosome": np.tile(self.chromosome, t),
                "position": np.tile(self.position, t),
                "lod": self.lod.T.ravel(),
                "f": self.f.T.ravel(),
                "p_value": self.p_value.T.ravel(),
            }
        )


def scan(
    genome: Genome,
    phenotype: ArrayLike,
    design: Design | None = None,
    *,
    kinship: Choice | ArrayLike = "loco",
    criterion: Criterion = "reml",
    exact: bool = False,
    traits: Sequence[str] | None = None,
) -> GenomeScan:
    """Test founder effects at every position.

    The variance share of the kinship is estimated without founder effects, once per chromosome and
    trait, and held; with `exact` it is estimated again at every position, by full likelihood.
    The statistic is a likelihood ratio at equal variance share: n/2 log10(RSS0/RSS1).

    Parameters
    ----------
    genome
        Founder probabilities.
    phenotype
        (n,) or (n, T), lines in the order of the genome; NaN is set aside by trait and counted.
    design
        Covariates of all lines, such as batches.
    kinship
        "loco" (from the other chromosomes), "overall", "none", or matrices.
    criterion
        How the variance share is estimated: restricted or full likelihood.
    exact
        Estimate it at every position.
    traits
        Names.
    """
    y = phenotype_matrix(phenotype)
    names = trait_names(traits, y.shape[1])
    covariates = no_covariates(genome.n_lines) if design is None else design
    require_lines(genome, y, covariates)
    nulls = null_models(genome, y, covariates, kinship, "ml" if exact else criterion, names)
    lod, rank = _all_chromosomes(genome, nulls, exact)
    first = nulls[0]
    spare = np.array([null.spare for null in first])
    n_lines = np.array([null.n_lines for null in first])
    f = f_statistic(lod, rank, spare, n_lines)
    label = np.repeat(genome.chromosome, [block.shape[1] for block in genome.probabilities])
    return GenomeScan(
        chromosome=label,
        position=np.concatenate(genome.position),
        traits=names,
        lod=lod,
        f=f,
        p_value=np.where(rank > 0.0, fdtrc(np.maximum(rank, 1.0), spare - rank, f), 1.0),
        rank=rank,
        chromosomes=genome.chromosome,
        heritability=np.array([[null.heritability for null in row] for row in nulls]),
        n_lines=n_lines,
        missing=np.array([null.missing for null in first]),
        fixed=tuple(null.fixed for null in first),
    )


def null_models(
    genome: Genome,
    y: FloatArray,
    design: Design,
    kinship: Choice | ArrayLike,
    criterion: Criterion,
    names: Sequence[str],
) -> list[list[NullModel]]:
    """Models without founder effects, per chromosome and trait.

    Traits with values in the same lines share one eigendecomposition per kinship.

    Parameters
    ----------
    genome
        Founder probabilities.
    y
        Phenotypes (n, T).
    design
        Covariates of all lines.
    kinship, criterion
        As of `scan`.
    names
        Of the traits.
    """
    out: list[list[NullModel]] = []
    groups = group_by_lines(y)
    before: FloatArray | None = None
    for matrix in chosen_kinship(genome, kinship):
        if out and matrix is before:
            out.append(out[-1])
            continue
        models: dict[int, NullModel] = {}
        for members, rows in groups:
            turned = rotation(rows, design, matrix)
            for t in members.tolist():
                models[t] = fit_trait(y[:, t], turned, criterion, names[t])
        out.append([models[t] for t in range(len(names))])
        before = matrix
    for null in out[0]:
        _require_spare(null, genome.n_founders)
    return out


def require_lines(genome: Genome, y: FloatArray, design: Design) -> None:
    """Raise ValueError unless phenotypes and covariates have the lines of the genome.

    Parameters
    ----------
    genome, y, design
        What must agree.
    """
    n = genome.n_lines
    for name, found in (("phenotype", y.shape[0]), ("design", design.matrix.shape[0])):
        if found != n:
            raise ValueError(
                f"{name} has {found} lines; the genome has {n}; align them by line first"
            )


def together(nulls: Sequence[NullModel]) -> list[list[int]]:
    """Places of the traits that share a rotation.

    Parameters
    ----------
    nulls
        Models of one chromosome.
    """
    groups: dict[int, list[int]] = {}
    for t, null in enumerate(nulls):
        groups.setdefault(id(null.rotation), []).append(t)
    return list(groups.values())


def _all_chromosomes(
    genome: Genome, nulls: list[list[NullModel]], exact: bool
) -> tuple[FloatArray, FloatArray]:
    shape = (genome.n_positions, len(nulls[0]))
    lod, rank = np.empty(shape), np.empty(shape)
    test = exact_lod if exact else fixed_share_lod
    start = 0
    for block, models in zip(genome.probabilities, nulls, strict=True):
        end = start + block.shape[1]
        for members in together(models):
            found = test([models[t] for t in members], block)
            lod[start:end, members], rank[start:end, members] = found[0].T, found[1].T
        start = end
    return lod, rank


def _require_spare(null: NullModel, n_founders: int) -> None:
    if null.spare < n_founders:
        raise AnalysisError(
            f"trait {null.trait!r} has {null.n_lines} lines with a value;"
            f" {len(null.fixed)} fixed columns and {n_founders} founders need"
            f" {len(null.fixed) + n_founders}.",
            hint="Measure more lines or leave covariates out.",
        )
