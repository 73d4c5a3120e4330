"""What else one might decide, and what it does to the answer.

Signs are those of the default case: poorly mappable bins hold too few contacts, the structural
variant of the cases adds contacts to a bin, the loop is strong in cases, and contacts fall off with
distance more steeply in cases than in controls.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from refsolve.contract.decisions import Found, alternative
from refsolve.methods.contact_expected import ContactTable, same_distance

from .background import (
    MODEL,
    Expectation,
    Mappable,
    Masked,
    Strength,
    View,
    leaving,
    modelled,
    poor_bins,
    stripes_of,
    training,
    viewed,
)
from .solve import expected, mappability, resolution, scale, stripe, target
from .tables import CONDITIONS, BoolArray, FloatArray, Study
from .target import coarse_pixel


@alternative(resolution)
def coarse(study: Study, pixel: tuple[int, int]) -> Found[View]:
    """Wrong: a pixel of 40 kb dilutes the loop with three neighbours (a strong one is too low)."""
    view = viewed(study.coarse, coarse_pixel(study, pixel))
    size = study.coarse.bins.size
    return Found(view, f"The target is looked up in the table of {size:,} bp.", size=size)


@alternative(mappability)
def kept(view: View, threshold: float) -> Found[Mappable]:
    """Wrong: contacts lost in poor bins bend the expected (mostly too low, strength too high)."""
    found, _ = poor_bins(view, threshold)
    because = "Poorly mappable bins stay in the training set."
    return Found(Mappable(found, kept=True), because, threshold=found.threshold)


def _nothing(view: View) -> BoolArray:
    return np.zeros(view.matrix.bins.covariates["mappability"].size, dtype=np.bool_)


@alternative(stripe)
def ignored(view: View, mappable: Mappable) -> Found[Masked]:
    """Wrong: contacts that a variant adds make expected mostly too high, cases too low."""
    because = "No bin is looked at for contacts that deviate as a whole."
    return Found(Masked(dict.fromkeys(CONDITIONS, _nothing(view))), because, bins=[])


@alternative(stripe)
def shared_only(view: View, mappable: Mappable) -> Found[Masked]:
    """Wrong: what cases alone show is kept, their strength comes out mostly too low."""
    found = stripes_of(view, mappable.mask)
    both = np.all(list(leaving(found).values()), axis=0)
    bins = dict.fromkeys(found.conditions, np.asarray(both))
    names = view.matrix.bins.names(np.flatnonzero(bins["case"]))
    return Found(Masked(bins, found), "A bin is masked where both conditions show it.", bins=names)


@alternative(stripe)
def both_conditions(view: View, mappable: Mappable) -> Found[Masked]:
    """Defensible: a bin that deviates in one condition leaves both, a little less to learn from."""
    found = stripes_of(view, mappable.mask)
    either = np.any(list(leaving(found).values()), axis=0)
    bins = dict.fromkeys(found.conditions, np.asarray(either))
    names = view.matrix.bins.names(np.flatnonzero(bins["case"]))
    return Found(Masked(bins, found), "A bin is masked in both conditions.", bins=names)


@alternative(target)
def included(view: View, mappable: Mappable, masked: Masked) -> Found[ContactTable]:
    """Wrong: the loop is expected in part (a strong one is too low)."""
    table = training(view, mappable, masked)
    return Found(table, "The target takes part in the training.", pixels=int(table.used.sum()))


@alternative(expected)
def same_distance_mean(view: View, table: ContactTable) -> Found[Expectation]:
    """Wrong: loop and stripe lift the mean (too low), it is blind to GC and sites (too high)."""
    whole = replace(table, use=view.table.used)
    mean = _by_distance(view, whole, "mean")
    return Found(Expectation(mean), "Expected is the mean of all pixels as far apart.", mean=mean)


@alternative(expected)
def leave_one_out_mean(view: View, table: ContactTable) -> Found[Expectation]:
    """Wrong: others as far apart differ in GC and sites (too high where the target is rich)."""
    mean = _by_distance(view, table, "mean")
    because = "Expected is the mean of the training pixels as far apart."
    return Found(Expectation(mean), because, mean=mean)


@alternative(expected)
def same_distance_median(view: View, table: ContactTable) -> Found[Expectation]:
    """Wrong: like the mean, blind to GC and sites (too high where the target is rich)."""
    median = _by_distance(view, table, "median")
    because = "Expected is the median of the training pixels as far apart."
    return Found(Expectation(median), because, median=median)


def _by_distance(view: View, table: ContactTable, how: Literal["mean", "median"]) -> FloatArray:
    """Mean or median of the used pixels as far apart as the target, per sample (S,)."""
    at = view.target[1] - view.target[0]
    found = same_distance(table.counts, view.matrix.distance, table.used, at, how=how)
    if not (found > 0.0).all():
        raise ValueError("a replicate has no contact in other pixels as far apart as the target")
    return found


@alternative(expected)
def shared_slope(view: View, table: ContactTable) -> Found[Expectation]:
    """Wrong: one fall-off for both (far away, steep cases come out too low, controls too high)."""
    found = modelled(view, table, replace(MODEL, by_condition=("gc",)))
    return Found(found, "Cases and controls share one slope of distance.", expected=found.value)


@alternative(expected)
def poisson(view: View, table: ContactTable) -> Found[Expectation]:
    """Defensible: the same mean with counts weighted as if they varied by chance alone."""
    found = modelled(view, table, replace(MODEL, dispersion=0.0))
    return Found(found, "Counts vary around the model as Poisson does.", expected=found.value)


@alternative(scale)
def pooled_counts(view: View, expectation: Expectation) -> Found[Strength]:
    """Wrong: the deepest replicates speak for all (too high where their loop is strong)."""
    log2 = np.log2(view.observed / expectation.value)
    mean = {}
    for word in CONDITIONS:
        rows = view.matrix.condition == word
        mean[word] = float(np.log2(view.observed[rows].sum() / expectation.value[rows].sum()))
    return Found(Strength(mean, log2), "Replicates are pooled before the logarithm.", pooled=mean)
