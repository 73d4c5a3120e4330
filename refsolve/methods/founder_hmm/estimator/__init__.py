"""Probabilities, paths, error rates, and repairs."""

from refsolve.methods.founder_hmm.estimator.evidence import MarkerEvidence, marker_evidence
from refsolve.methods.founder_hmm.estimator.fitting import (
    FounderFit,
    expected_mismatches,
    fit_founders,
)
from refsolve.methods.founder_hmm.estimator.lines import LineCheck, check_lines
from refsolve.methods.founder_hmm.estimator.moves import run_gains
from refsolve.methods.founder_hmm.estimator.order import OrderCheck, check_order
from refsolve.methods.founder_hmm.estimator.orientation import (
    OrientationRepair,
    repair_orientation,
)
from refsolve.methods.founder_hmm.estimator.paths import (
    FounderPaths,
    count_changes,
    most_likely_paths,
    sample_paths,
)
from refsolve.methods.founder_hmm.estimator.probabilities import (
    FounderProbabilities,
    log_likelihood,
    predict_genotypes,
    reconstruct,
    stream,
)

__all__ = [
    "FounderFit",
    "FounderPaths",
    "FounderProbabilities",
    "LineCheck",
    "MarkerEvidence",
    "OrderCheck",
    "OrientationRepair",
    "check_lines",
    "check_order",
    "count_changes",
    "expected_mismatches",
    "fit_founders",
    "log_likelihood",
    "marker_evidence",
    "most_likely_paths",
    "predict_genotypes",
    "reconstruct",
    "repair_orientation",
    "run_gains",
    "sample_paths",
    "stream",
]
