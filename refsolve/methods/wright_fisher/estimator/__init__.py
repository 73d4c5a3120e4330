"""Estimates of selection: one locus, many, two compared, dominance, calibration, and the path."""

from refsolve.methods.wright_fisher.estimator.calibration import Calibration, calibrate
from refsolve.methods.wright_fisher.estimator.comparison import LocusComparison, compare_loci
from refsolve.methods.wright_fisher.estimator.dominance import DominanceFit, fit_dominance
from refsolve.methods.wright_fisher.estimator.loci import LociFit, fit_loci
from refsolve.methods.wright_fisher.estimator.selection import SelectionFit, fit_selection
from refsolve.methods.wright_fisher.estimator.trajectory import Trajectory, posterior_trajectory

__all__ = [
    "Calibration",
    "DominanceFit",
    "LociFit",
    "LocusComparison",
    "SelectionFit",
    "Trajectory",
    "calibrate",
    "compare_loci",
    "fit_dominance",
    "fit_loci",
    "fit_selection",
    "posterior_trajectory",
]
