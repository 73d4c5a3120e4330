"""What stands beside the answer: how it changes with what was judged, and with another model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from refsolve.core.errors import AnalysisError
from refsolve.methods.ambient import Confounding, confounding
from refsolve.methods.count_glm import (
    CountFit,
    Exposure,
    MixedFit,
    Sensitivity,
    ambient_sensitivity,
    fit_donors,
    gate_check,
)

from .design import GENOTYPE, Design
from .tables import BoolArray, FloatArray, IntArray, Study

T = TypeVar("T")
FACTORS = (0.5, 1.0, 1.5)  # of all contamination
DRAWS = 199


def unless_impossible(run: Callable[[], T]) -> T | None:
    """What stands beside the answer must not stand in its way."""
    try:
        return run()
    except AnalysisError:
        return None


def of_contamination(y: FloatArray, design: Design, exposure: Exposure) -> Sensitivity | None:
    """The effect if all contamination were less or more."""
    return unless_impossible(
        lambda: ambient_sensitivity(
            y, design.matrix, exposure, GENOTYPE, factors=FACTORS, names=design.names
        )
    )


def mixed_model(y: FloatArray, design: Design, exposure: Exposure) -> MixedFit | None:
    """Poisson counts with an intercept of every donor."""
    rows = np.arange(y.size)
    return unless_impossible(
        lambda: fit_donors(y, design.matrix, exposure, rows, names=design.names, collapse="always")
    )


def of_group(study: Study, group: IntArray | None) -> Confounding | None:
    """What goes together with the technical group."""
    if group is None:
        return None
    return confounding(group, study.donors[[GENOTYPE, "sex", "age", "bmi"]], draws=DRAWS)


def gate(study: Study, active: BoolArray) -> dict[str, float] | None:
    """Whether the share of compared cells depends on the genotype."""
    cells = study.sums(np.ones(study.code.size))
    passed = study.sums(active.astype(np.float64))
    if active.all():
        return None
    found = unless_impossible(lambda: gate_check(passed, cells, study.genotype))
    return None if found is None else {"log_ratio_per_allele": found.effect, "p": found.p}


def described(other: dict[str, Any]) -> dict[str, Any]:
    """Plain numbers of what stands beside the answer."""
    mixed, sensitivity, group = (other[name] for name in ("mixed", "sensitivity", "confounding"))
    return {
        "beta_at_gap_edges": other["edges"] or "no cell between them",
        "mixed_model": None if mixed is None else _of_mixed(mixed),
        "beta_by_contamination": None if sensitivity is None else _of_sensitivity(sensitivity),
        "group_against": None if group is None else _of_confounding(group),
        "activation_by_genotype": other["gate"],
    }


def _of_mixed(found: MixedFit) -> dict[str, Any]:
    effect = found.row(GENOTYPE)
    return {
        "beta": effect.effect,
        "interval": [effect.low, effect.high],
        "donor_sd": found.sd,
    }


def _of_sensitivity(found: Sensitivity) -> dict[str, float]:
    return dict(zip(map(str, found.factors), found.effect.tolist(), strict=True))


def _of_confounding(found: Confounding) -> dict[str, dict[str, Any]]:
    rows = zip(found.name, found.measure, found.value, found.p, strict=True)
    return {
        str(name): {"measure": str(measure), "value": float(value), "p": float(p)}
        for name, measure, value, p in rows
    }


def flagged(fit: CountFit) -> list[str]:
    """What a reader must know of a fit."""
    told = [] if fit.converged else ["the search for the maximum did not end"]
    return told + [f"the counts do not bound {name}" for name in fit.separated]
