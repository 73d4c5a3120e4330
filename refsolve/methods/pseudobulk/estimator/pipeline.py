"""From sums of donors to genes that differ, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import IntArray, one_of
from refsolve.core.errors import AnalysisError
from refsolve.core.result import Result
from refsolve.methods.pseudobulk.estimator.contrasts import likelihood_ratio_test
from refsolve.methods.pseudobulk.estimator.dispersion import DispersionFit, estimate_dispersions
from refsolve.methods.pseudobulk.estimator.filtering import GeneFilter, filter_genes
from refsolve.methods.pseudobulk.estimator.normalisation import Normalisation, normalise
from refsolve.methods.pseudobulk.estimator.quasi import fit_quasi, quasi_test
from refsolve.methods.pseudobulk.model.design import Design, as_design
from refsolve.methods.pseudobulk.model.expression import ExpressionTest
from refsolve.methods.pseudobulk.model.inputs import count_matrix
from refsolve.methods.pseudobulk.model.samples import PseudoBulk

TESTS = ("quasi", "likelihood_ratio")


@dataclass(frozen=True, slots=True, eq=False)
class DifferentialExpression(Result):
    """Comparison of two conditions, gene by gene.

    Attributes
    ----------
    result
        Test of the genes that were tested.
    tested
        Their positions.
    genes
        Their names.
    filter
        Why these genes.
    normalisation
        Effective libraries.
    dispersions
        Of the tested genes.
    design
        What explains the samples.
    """

    result: ExpressionTest
    tested: IntArray
    genes: NDArray[Any]
    filter: GeneFilter
    normalisation: Normalisation
    dispersions: DispersionFit
    design: Design

    @property
    def percent_p(self) -> float:
        """Percentage of the tested genes with p below 0.05."""
        return 100.0 * self.result.n_significant(0.05) / self.tested.size

    @property
    def percent_fdr(self) -> float:
        """Percentage of the tested genes at a false-discovery rate of 5 %."""
        return 100.0 * self.result.n_discoveries(0.05) / self.tested.size

    def to_frame(self) -> pd.DataFrame:
        """One row per tested gene."""
        return self.result.to_frame().set_index(pd.Index(self.genes, name="gene"))


def differential_expression(
    counts: ArrayLike | PseudoBulk,
    design: Design | ArrayLike,
    contrast: str | ArrayLike | None = None,
    *,
    test: str = "quasi",
    form: str = "legacy",
    normalisation: str = "tmm",
    filtering: bool = True,
    genes: Sequence[Any] | None = None,
    level: float = 0.95,
) -> DifferentialExpression:
    """Filter genes, normalise, share dispersions and test a contrast.

    Parameters
    ----------
    counts
        Sums of donors' cells (genes, samples).
    design
        Design or matrix (samples, p).
    contrast
        Name of a column, "a - b", numbers, or None for the condition of the design.
    test
        "quasi" (F test) or "likelihood_ratio" (at each gene's own dispersion).
    form
        Form of the quasi-likelihood, "legacy" or "adjusted", as in `QuasiFit`.
    normalisation
        Method of `normalise`.
    filtering
        Leave out genes with too few counts; otherwise only those without any.
    genes
        Names of the genes.
    level
        Coverage of the intervals.

    Raises
    ------
    AnalysisError
        No gene can be tested, or the design leaves no residual.

    Examples
    --------
    >>> from refsolve.methods.pseudobulk import CellDesign, simulate_cells
    >>> data = simulate_cells(CellDesign(donors=(4, 4), cells=50, genes=100), rng=1)
    >>> x = np.column_stack([np.ones(8), data.condition])
    >>> differential_expression(data.sums, x).filter.n_genes
    100
    """
    one_of(test, "test", TESTS)
    y = count_matrix(counts)
    plan = as_design(design, y.shape[1])
    names = counts.genes if isinstance(counts, PseudoBulk) and genes is None else genes
    labels = np.array(list(range(len(y)) if names is None else names), object)
    if labels.size != len(y):
        raise ValueError(f"genes has {labels.size} names for {len(y)} rows; give one per row")
    chosen = (
        filter_genes(y, plan)
        if filtering
        else filter_genes(y, plan, smallest_count=0, smallest_total=1)
    )
    tested = np.flatnonzero(chosen.kept)
    if tested.size == 0:
        raise AnalysisError(
            f"None of {len(y)} genes has enough counts to be tested.",
            hint="Check that the values are raw counts and that donors have enough cells.",
        )
    some = y[tested]
    sizes = normalise(some, normalisation)
    shared = estimate_dispersions(some, plan, sizes.effective)
    if test == "quasi":
        fit = fit_quasi(some, plan, sizes.effective, dispersions=shared, form=form)
        found = quasi_test(fit, contrast, level=level)
    else:
        found = likelihood_ratio_test(
            some, plan, sizes.effective, shared.tagwise, contrast, level=level
        )
    return DifferentialExpression(found, tested, labels[tested], chosen, sizes, shared, plan)
