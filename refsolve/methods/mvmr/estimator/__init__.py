"""Choice of instruments, effects of several exposures, direct effects, and diagnostics."""

from refsolve.methods.mvmr.estimator.diagnostics import (
    Distinguishable,
    Influence,
    LdMismatch,
    distinguish,
    influence,
    ld_mismatch,
)
from refsolve.methods.mvmr.estimator.direct import (
    PleiotropyFit,
    fit_constrained,
    fit_pleiotropy,
    fit_without_outliers,
)
from refsolve.methods.mvmr.estimator.gmm import GmmFit, fit_gmm
from refsolve.methods.mvmr.estimator.instruments import (
    Instruments,
    clumped_instruments,
    conditional_instruments,
    lead_instruments,
    marginal_instruments,
)
from refsolve.methods.mvmr.estimator.liml import fit_liml
from refsolve.methods.mvmr.estimator.linear import EggerFit, fit_egger, fit_gls
from refsolve.methods.mvmr.estimator.resampling import BootstrapFit, bootstrap
from refsolve.methods.mvmr.estimator.robust import fit_robust
from refsolve.methods.mvmr.estimator.winners import (
    ConditionalEstimates,
    conditional_estimates,
    rao_blackwell,
    two_phase_estimates,
)

__all__ = [
    "BootstrapFit",
    "ConditionalEstimates",
    "Distinguishable",
    "EggerFit",
    "GmmFit",
    "Influence",
    "Instruments",
    "LdMismatch",
    "PleiotropyFit",
    "bootstrap",
    "clumped_instruments",
    "conditional_estimates",
    "conditional_instruments",
    "distinguish",
    "fit_constrained",
    "fit_egger",
    "fit_gls",
    "fit_gmm",
    "fit_liml",
    "fit_pleiotropy",
    "fit_robust",
    "fit_without_outliers",
    "influence",
    "ld_mismatch",
    "lead_instruments",
    "marginal_instruments",
    "rao_blackwell",
    "two_phase_estimates",
]
