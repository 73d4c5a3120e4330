"""Mixed-model genome scan of populations with several founders.

Lines that descend from K founders carry at every position one founder's allele; given the
probabilities of the founders, test at every position whether founders differ in a trait, beside
covariates and a background of kinship, and estimate where the QTL is and what each founder's
allele does.

Identifying assumption: given covariates and kinship, nothing else that acts on the trait goes
along with the founder at a position. A batch that was grown from lines with one founder there is
such a thing; it must be among the covariates.
"""

from __future__ import annotations

from refsolve.methods.lmm_scan.estimator.effects import (
    EffectProfile,
    FounderEffects,
    effects_along,
    founder_effects,
)
from refsolve.methods.lmm_scan.estimator.peaks import (
    Peak,
    PositionPosterior,
    RefinedPeak,
    bayes_interval,
    find_peak,
    find_peaks,
    position_posterior,
    refine_peak,
    refine_profile,
    support_interval,
)
from refsolve.methods.lmm_scan.estimator.permutation import (
    Permutations,
    permutation_scan,
)
from refsolve.methods.lmm_scan.estimator.scan import (
    GenomeScan,
    scan,
)
from refsolve.methods.lmm_scan.estimator.search import (
    QtlModel,
    forward_search,
)
from refsolve.methods.lmm_scan.model.design import (
    Design,
    design,
)
from refsolve.methods.lmm_scan.model.genome import (
    Genome,
    biallelic,
)
from refsolve.methods.lmm_scan.model.kinship import (
    kinship,
    loco_kinship,
)
from refsolve.methods.lmm_scan.model.null import (
    NullModel,
    fit_null,
)
from refsolve.methods.lmm_scan.simulate import (
    SimulatedMosaics,
    SimulatedTrait,
    simulate_batches,
    simulate_mosaics,
    simulate_trait,
)

__all__ = [
    "Design",
    "EffectProfile",
    "FounderEffects",
    "Genome",
    "GenomeScan",
    "NullModel",
    "Peak",
    "Permutations",
    "PositionPosterior",
    "QtlModel",
    "RefinedPeak",
    "SimulatedMosaics",
    "SimulatedTrait",
    "bayes_interval",
    "biallelic",
    "design",
    "effects_along",
    "find_peak",
    "find_peaks",
    "fit_null",
    "forward_search",
    "founder_effects",
    "kinship",
    "loco_kinship",
    "permutation_scan",
    "position_posterior",
    "refine_peak",
    "refine_profile",
    "scan",
    "simulate_batches",
    "simulate_mosaics",
    "simulate_trait",
    "support_interval",
]
