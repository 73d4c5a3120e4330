"""Differential expression with donors as replicates."""

from refsolve.methods.pseudobulk.estimator.aggregation import aggregate, looks_like_counts
from refsolve.methods.pseudobulk.estimator.audit import Audit, audit, cell_test
from refsolve.methods.pseudobulk.estimator.contrasts import likelihood_ratio_test
from refsolve.methods.pseudobulk.estimator.dispersion import DispersionFit, estimate_dispersions
from refsolve.methods.pseudobulk.estimator.exact import (
    ExactTest,
    RelabellingNull,
    exact_rank_test,
    n_relabellings,
    significant_null,
    smallest_p,
)
from refsolve.methods.pseudobulk.estimator.filtering import GeneFilter, filter_genes
from refsolve.methods.pseudobulk.estimator.moderated import moderated_test
from refsolve.methods.pseudobulk.estimator.normalisation import Normalisation, normalise
from refsolve.methods.pseudobulk.estimator.pipeline import (
    DifferentialExpression,
    differential_expression,
)
from refsolve.methods.pseudobulk.estimator.posterior import (
    PosteriorDispersions,
    posterior_dispersions,
    wald_test,
)
from refsolve.methods.pseudobulk.estimator.quasi import QuasiFit, fit_quasi, quasi_test
from refsolve.methods.pseudobulk.estimator.sexes import (
    DonorCheck,
    SexCheck,
    donor_match,
    sample_sex,
)
from refsolve.methods.pseudobulk.estimator.voom import Voom, voom_test, voom_weights
from refsolve.methods.pseudobulk.model.design import Design, formula_design, make_design
from refsolve.methods.pseudobulk.model.expression import ExpressionTest, adjust_fdr
from refsolve.methods.pseudobulk.model.factors import average_log2_cpm, log2_cpm, size_factors
from refsolve.methods.pseudobulk.model.samples import PseudoBulk
from refsolve.methods.pseudobulk.simulate import (
    CellDesign,
    SimulatedCells,
    simulate_cells,
    simulate_scores,
)

__all__ = [
    "Audit",
    "CellDesign",
    "Design",
    "DifferentialExpression",
    "DispersionFit",
    "DonorCheck",
    "ExactTest",
    "ExpressionTest",
    "GeneFilter",
    "Normalisation",
    "PosteriorDispersions",
    "PseudoBulk",
    "QuasiFit",
    "RelabellingNull",
    "SexCheck",
    "SimulatedCells",
    "Voom",
    "adjust_fdr",
    "aggregate",
    "audit",
    "average_log2_cpm",
    "cell_test",
    "differential_expression",
    "donor_match",
    "estimate_dispersions",
    "exact_rank_test",
    "filter_genes",
    "fit_quasi",
    "formula_design",
    "likelihood_ratio_test",
    "log2_cpm",
    "looks_like_counts",
    "make_design",
    "moderated_test",
    "n_relabellings",
    "normalise",
    "posterior_dispersions",
    "quasi_test",
    "sample_sex",
    "significant_null",
    "simulate_cells",
    "simulate_scores",
    "size_factors",
    "smallest_p",
    "voom_test",
    "voom_weights",
    "wald_test",
]
