"""Strength of a loop over what its pixel would hold without it, in cases and in controls.

Six decisions: which matrix, which bins and which pixels teach what is expected, the model of what
is expected, and how replicates are summarised.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from refsolve.contract.decisions import Found, Walk, decision
from refsolve.contract.outcome import Case, Solution
from refsolve.methods.contact_expected import ContactTable, difference

from . import report
from .background import (
    Expectation,
    Mappable,
    Masked,
    Strength,
    View,
    leaving,
    measured,
    modelled,
    poor_bins,
    stripes_of,
    training,
    viewed,
)
from .tables import CONDITIONS, Study, load
from .target import located, refuse_poor, refuse_unmeasured

__all__ = ["DECISIONS", "load", "solve"]

NORMAL = 1.959963984540054  # two-sided 95 %


@decision
def resolution(study: Study, pixel: tuple[int, int]) -> Found[View]:
    """The target is a pixel of the fine matrix."""
    view = viewed(study.fine, pixel)
    because, facts = report.of_resolution(study, view)
    return Found(view, because, **facts)


@decision
def mappability(view: View, threshold: float) -> Found[Mappable]:
    """Bins below the gap in mappability teach nothing about well mappable ones."""
    found, clear = poor_bins(view, threshold)
    if clear:
        refuse_poor(view.matrix, view.target, found)
    because, facts = report.of_mappability(view, found)
    return Found(Mappable(found), because, **facts)


@decision
def stripe(view: View, mappable: Mappable) -> Found[Masked]:
    """A bin that deviates as a whole leaves the training set of the condition where it does."""
    found = stripes_of(view, mappable.mask)
    because, facts = report.of_stripes(view, mappable, found)
    return Found(Masked(leaving(found), found), because, **facts)


@decision
def target(view: View, mappable: Mappable, masked: Masked) -> Found[ContactTable]:
    """The pixel that is judged has no say in what is expected of it."""
    table = training(view, mappable, masked).without(pixels=[view.target])
    because, facts = report.of_target(view, table)
    return Found(table, because, **facts)


@decision
def expected(view: View, table: ContactTable) -> Found[Expectation]:
    """Replicate depth, distance and GC per condition, and restriction sites; negative binomial."""
    found = modelled(view, table)
    because, facts = report.of_model(view, found)
    return Found(found, because, **facts)


@decision
def scale(view: View, expectation: Expectation) -> Found[Strength]:
    """Each replicate counts alike: log2 first, then the mean."""
    log2 = np.log2(view.observed / expectation.value)
    mean = {word: float(log2[view.matrix.condition == word].mean()) for word in CONDITIONS}
    because, facts = report.of_scale(view, expectation.value, log2)
    return Found(Strength(mean, log2), because, **facts)


DECISIONS = (resolution, mappability, stripe, target, expected, scale)


def solve(case: Case, tables: Study, path: Walk) -> Solution:
    """Matrix, masks, training set, model; then log2 of observed over expected."""
    names = (str(case.parameters["bin1"]), str(case.parameters["bin2"]))
    view = path.take(resolution, tables, located(tables.fine, *names))
    refuse_unmeasured(view.matrix, view.target)
    mappable = path.take(mappability, view, float(case.parameters["low_mappability"]))
    masked = path.take(stripe, view, mappable)
    table = path.take(target, view, mappable, masked)
    expectation = path.take(expected, view, table)
    strength = path.take(scale, view, expectation)
    answer = {f"{word}_loop_strength": strength.mean[word] for word in CONDITIONS}
    answer["delta_loop_strength"] = strength.mean["case"] - strength.mean["control"]
    half = {key: NORMAL * error for key, error in _errors(view, expectation).items()}
    return Solution(
        answer=answer,
        intervals={key: (answer[key] - h, answer[key] + h) for key, h in half.items()},
        diagnostics=report.diagnostics(view, mappable, masked, expectation, strength),
        artefacts={"view": view, "mappable": mappable, "masked": masked, "fit": expectation.fit},
    )


def _errors(view: View, expectation: Expectation) -> Mapping[str, float]:
    """Errors of the answers that come from the expected counts, where a model tells them."""
    if expectation.fit is None:
        return {}
    found = measured(view, expectation.fit)
    each = zip(found.conditions, found.se_expected.tolist(), strict=True)
    errors = {f"{word}_loop_strength": error for word, error in each}
    return errors | {"delta_loop_strength": float(difference(found, *CONDITIONS).se_expected)}
