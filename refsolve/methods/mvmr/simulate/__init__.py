r"""A locus with several exposures and a disease, together with the truth that made it.

Marginal effects follow eq. (11) of `textbook`; nothing is estimated here beyond the regressions of
one trait on one variant that a study would report.

What a naive analysis of a locus gets
-------------------------------------
Write :math:`S_{kl} = B_k^\top RB_l` for the signal of the exposures, :math:`\rho_{kl} =
S_{kl}/\sqrt{S_{kk}S_{ll}}` for its correlation, :math:`\mu` for the mean of a score, :math:`c` for
the threshold in standard errors.

(a) *Effects taken from the phase that selected.* The score of a variant selected on itself has the
    mean :math:`\mu+\{\varphi(c-\mu)-\varphi(c+\mu)\}/p_c(\mu)`, eq. (26). Exposure effects are too
    large, so :math:`|\hat\theta|` is too small. Pooling both phases keeps the share
    :math:`\mathrm{se}_1^{-2}/(\mathrm{se}_1^{-2}+\mathrm{se}_2^{-2})` of that error: little when
    phase 2 is much larger.

(b) *Units not converted.* Effects on :math:`\ln` concentration are :math:`\sigma\ln 10` times those
    per SD of :math:`\log_{10}`, and :math:`\hat\theta` is divided by it.

(c) *SD over all batches.* With batch means and failed batches in it, :math:`\hat\theta` is
    multiplied by the ratio of that SD to the one within usable batches: above 1 with shifts or
    inflated batches, below 1 when compressed batches weigh more.

(d) *One exposure at a time.* :math:`\hat\theta_k \to \theta_k + \sum_{l\ne k}\theta_l
    S_{kl}/S_{kk}`: the other exposure's effect enters with the slope of its signal.

(e) *Noise in the exposures ignored.* On the whitened scale, with :math:`J` variants and noise
    :math:`\Sigma`, :math:`\hat\theta \to (S+J\Sigma)^{-1}S\theta`: towards zero for one exposure.

(f) *LD ignored.* Still centred, but the variance is
    :math:`(x^\top x)^{-1}x^\top Rx\,(x^\top x)^{-1}` in units of the standard errors, and not the
    :math:`(x^\top x)^{-1}` that is reported.

(g) *Direct effects ignored.* The estimate moves by :math:`(X^\top\Omega^{-1}X)^{-1}X^\top
    \Omega^{-1}s\alpha`, with :math:`s\alpha` the addition to the outcome, eq. (22).

(h) *Signs as reported.* Where the outcome counts the other allele for some variants
    (:math:`F = \mathrm{diag}(\pm1)`), :math:`\hat\theta \to (X^\top\Omega^{-1}X)^{-1}
    X^\top\Omega^{-1}FX\theta`.

(i) *Individuals.* Log odds are not collapsible: per-variant effects on a disease that depends on
    the whole exposure shrink by about :math:`\{1+0.35\,\mathrm{Var}(\theta^\top X)\}^{-1/2}`.
"""

from refsolve.methods.mvmr.simulate.design import Design, SimulatedLocus
from refsolve.methods.mvmr.simulate.individuals import simulate_individuals
from refsolve.methods.mvmr.simulate.measurements import (
    SimulatedMeasurements,
    simulate_measurements,
)
from refsolve.methods.mvmr.simulate.summary import simulate_locus

__all__ = [
    "Design",
    "SimulatedLocus",
    "SimulatedMeasurements",
    "simulate_individuals",
    "simulate_locus",
    "simulate_measurements",
]
