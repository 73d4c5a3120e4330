"""Ambient RNA: its profile, its share of each cell, and counts without it."""

from refsolve.methods.ambient.estimator.confounding import (
    Confounding,
    Identifiability,
    confounding,
    effect_identifiability,
)
from refsolve.methods.ambient.estimator.correction import remove_ambient, subtract_ambient
from refsolve.methods.ambient.estimator.droplets import DropletCall, Knee, call_droplets, knee
from refsolve.methods.ambient.estimator.fraction import (
    Contamination,
    Homogeneity,
    Shrunk,
    cannot_express,
    contamination_ratio,
    donor_contamination,
    marker_homogeneity,
    shrink_contamination,
)
from refsolve.methods.ambient.estimator.groups import DonorGroups, donor_groups
from refsolve.methods.ambient.estimator.offsets import (
    GroupOffset,
    ambient_offset,
    annotate_ambient,
    group_offset,
    native_exposure,
)
from refsolve.methods.ambient.estimator.profile import (
    AmbientProfile,
    ambient_profile,
    ambient_shares,
)
from refsolve.methods.ambient.estimator.search import UnexpressedGenes, find_unexpressed
from refsolve.methods.ambient.estimator.states import StateCall, activation_score, call_states
from refsolve.methods.ambient.model.likelihood import prior_shape
from refsolve.methods.ambient.simulate import (
    DropletDesign,
    SimulatedDroplets,
    simulate_droplets,
)

__all__ = [
    "AmbientProfile",
    "Confounding",
    "Contamination",
    "DonorGroups",
    "DropletCall",
    "DropletDesign",
    "GroupOffset",
    "Homogeneity",
    "Identifiability",
    "Knee",
    "Shrunk",
    "SimulatedDroplets",
    "StateCall",
    "UnexpressedGenes",
    "activation_score",
    "ambient_offset",
    "ambient_profile",
    "ambient_shares",
    "annotate_ambient",
    "call_droplets",
    "call_states",
    "cannot_express",
    "confounding",
    "contamination_ratio",
    "donor_contamination",
    "donor_groups",
    "effect_identifiability",
    "find_unexpressed",
    "group_offset",
    "knee",
    "marker_homogeneity",
    "native_exposure",
    "prior_shape",
    "remove_ambient",
    "shrink_contamination",
    "simulate_droplets",
    "subtract_ambient",
]
