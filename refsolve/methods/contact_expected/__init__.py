"""Expected contacts of Hi-C maps, the strength of loops, and what takes no part in either."""

from refsolve.methods.contact_expected.estimator.balance import Balance, balance, coverage
from refsolve.methods.contact_expected.estimator.expected import ExpectedCis, expected_cis
from refsolve.methods.contact_expected.estimator.fitted import (
    ExpectedFit,
    fit_expected,
    upper_tail,
    zero_probability,
)
from refsolve.methods.contact_expected.estimator.pileups import (
    LocalBackground,
    PileUp,
    local_background,
    observed_expected,
    pile_up,
)
from refsolve.methods.contact_expected.estimator.same import same_distance
from refsolve.methods.contact_expected.estimator.smoothing import Smoothing, smooth_distance
from refsolve.methods.contact_expected.estimator.strength import (
    Difference,
    LoopStrength,
    difference,
    loop_strength,
    strength_of_sums,
)
from refsolve.methods.contact_expected.estimator.stripes import Stripes, find_stripes
from refsolve.methods.contact_expected.estimator.trans import ExpectedTrans, expected_trans
from refsolve.methods.contact_expected.model.background import Background
from refsolve.methods.contact_expected.model.combine import (
    Mask,
    MaskAccount,
    combine,
    n_valid_pairs,
)
from refsolve.methods.contact_expected.model.contacts import (
    Contacts,
    Pixels,
    contacts_from_pixels,
)
from refsolve.methods.contact_expected.model.masks import (
    BinMask,
    PixelMask,
    mask_bins,
    mask_low_coverage,
    mask_low_mappability,
    mask_rectangles,
    mask_regions,
    mask_unweighted,
    rectangle,
    visible_gap,
)
from refsolve.methods.contact_expected.model.pairs import PairCells, aggregate_pairs, bin_classes
from refsolve.methods.contact_expected.model.table import ContactTable, contact_table
from refsolve.methods.contact_expected.model.views import View, arms, regions, whole_chromosomes
from refsolve.methods.contact_expected.simulate import (
    ContactDesign,
    SimulatedContacts,
    coarsen,
    simulate_contacts,
)

__all__ = [
    "Background",
    "Balance",
    "BinMask",
    "ContactDesign",
    "ContactTable",
    "Contacts",
    "Difference",
    "ExpectedCis",
    "ExpectedFit",
    "ExpectedTrans",
    "LocalBackground",
    "LoopStrength",
    "Mask",
    "MaskAccount",
    "PairCells",
    "PileUp",
    "PixelMask",
    "Pixels",
    "SimulatedContacts",
    "Smoothing",
    "Stripes",
    "View",
    "aggregate_pairs",
    "arms",
    "balance",
    "bin_classes",
    "coarsen",
    "combine",
    "contact_table",
    "contacts_from_pixels",
    "coverage",
    "difference",
    "expected_cis",
    "expected_trans",
    "find_stripes",
    "fit_expected",
    "local_background",
    "loop_strength",
    "mask_bins",
    "mask_low_coverage",
    "mask_low_mappability",
    "mask_rectangles",
    "mask_regions",
    "mask_unweighted",
    "n_valid_pairs",
    "observed_expected",
    "pile_up",
    "rectangle",
    "regions",
    "same_distance",
    "simulate_contacts",
    "smooth_distance",
    "strength_of_sums",
    "upper_tail",
    "visible_gap",
    "whole_chromosomes",
    "zero_probability",
]
