"""Estimates from tracts: repairs, switch rate, one pulse, several, and other demographies."""

from refsolve.methods.tracts.estimator.comparison import HaplotypeComparison, compare_haplotypes
from refsolve.methods.tracts.estimator.defects import (
    DefectFit,
    fit_contaminated,
    fit_diploid,
    fit_merged,
    fit_truncated,
    merged_rate,
)
from refsolve.methods.tracts.estimator.demography import DemographyFit, fit_demography
from refsolve.methods.tracts.estimator.histories import (
    TwoPulseFit,
    fit_continuous,
    fit_two_pulses,
)
from refsolve.methods.tracts.estimator.islands import (
    IslandRepair,
    dropped,
    find_islands,
    merge_islands,
    repair_islands,
)
from refsolve.methods.tracts.estimator.labels import (
    InversionFit,
    LabelRepair,
    exchanged,
    infer_inversions,
    repair_labels,
)
from refsolve.methods.tracts.estimator.pulse import PulseFit, fit_pulse, time_profile
from refsolve.methods.tracts.estimator.switches import (
    SwitchRates,
    called_fraction,
    called_span,
    count_switches,
    estimate_switch_rate,
    switch_time,
)

__all__ = [
    "DefectFit",
    "DemographyFit",
    "HaplotypeComparison",
    "InversionFit",
    "IslandRepair",
    "LabelRepair",
    "PulseFit",
    "SwitchRates",
    "TwoPulseFit",
    "called_fraction",
    "called_span",
    "compare_haplotypes",
    "count_switches",
    "dropped",
    "estimate_switch_rate",
    "exchanged",
    "find_islands",
    "fit_contaminated",
    "fit_continuous",
    "fit_demography",
    "fit_diploid",
    "fit_merged",
    "fit_pulse",
    "fit_truncated",
    "fit_two_pulses",
    "infer_inversions",
    "merge_islands",
    "merged_rate",
    "repair_islands",
    "repair_labels",
    "switch_time",
    "time_profile",
]
