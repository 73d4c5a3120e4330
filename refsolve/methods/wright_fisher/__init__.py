"""Selection from allele counts through time under the Wright–Fisher model."""

from refsolve.methods.wright_fisher.estimator import (
    Calibration,
    DominanceFit,
    LociFit,
    LocusComparison,
    SelectionFit,
    Trajectory,
    calibrate,
    compare_loci,
    fit_dominance,
    fit_loci,
    fit_selection,
    posterior_trajectory,
)
from refsolve.methods.wright_fisher.model.likelihood import LikelihoodCurve, log_likelihood
from refsolve.methods.wright_fisher.model.samples import Genotypes, Samples
from refsolve.methods.wright_fisher.simulate import (
    SimulatedLoci,
    SimulatedSeries,
    simulate_loci,
    simulate_trajectory,
)

__all__ = [
    "Calibration",
    "DominanceFit",
    "Genotypes",
    "LikelihoodCurve",
    "LociFit",
    "LocusComparison",
    "Samples",
    "SelectionFit",
    "SimulatedLoci",
    "SimulatedSeries",
    "Trajectory",
    "calibrate",
    "compare_loci",
    "fit_dominance",
    "fit_loci",
    "fit_selection",
    "log_likelihood",
    "posterior_trajectory",
    "simulate_loci",
    "simulate_trajectory",
]
