"""Regression of counts whose mean has an ambient part."""

from refsolve.methods.count_glm.estimator.cell_mapping import map_cis_cells
from refsolve.methods.count_glm.estimator.diagnostics import Diagnostics, diagnose
from refsolve.methods.count_glm.estimator.formula import fit_formula
from refsolve.methods.count_glm.estimator.mapping import map_cis
from refsolve.methods.count_glm.estimator.mixed import fit_donors
from refsolve.methods.count_glm.estimator.regression import fit_counts
from refsolve.methods.count_glm.estimator.sensitivity import ambient_sensitivity
from refsolve.methods.count_glm.estimator.testing import covariate_test, gate_check
from refsolve.methods.count_glm.estimator.totals import total_by_donor
from refsolve.methods.count_glm.model.cis_map import CisMap
from refsolve.methods.count_glm.model.exposure import Exposure, ambient_exposure
from refsolve.methods.count_glm.model.resampling import beta_approximation, cauchy_combination
from refsolve.methods.count_glm.model.results import (
    CountFit,
    CovariateTest,
    Effect,
    MixedFit,
    Sensitivity,
)
from refsolve.methods.count_glm.model.totals import DonorTotals
from refsolve.methods.count_glm.model.variants import (
    Genotypes,
    Windows,
    cis_windows,
    make_genotypes,
)
from refsolve.methods.count_glm.simulate import (
    CountDesign,
    ScanDesign,
    SimulatedCounts,
    SimulatedScan,
    simulate_counts,
    simulate_scan,
)

__all__ = [
    "CisMap",
    "CountDesign",
    "CountFit",
    "CovariateTest",
    "Diagnostics",
    "DonorTotals",
    "Effect",
    "Exposure",
    "Genotypes",
    "MixedFit",
    "ScanDesign",
    "Sensitivity",
    "SimulatedCounts",
    "SimulatedScan",
    "Windows",
    "ambient_exposure",
    "ambient_sensitivity",
    "beta_approximation",
    "cauchy_combination",
    "cis_windows",
    "covariate_test",
    "diagnose",
    "fit_counts",
    "fit_donors",
    "fit_formula",
    "gate_check",
    "make_genotypes",
    "map_cis",
    "map_cis_cells",
    "simulate_counts",
    "simulate_scan",
    "total_by_donor",
]
