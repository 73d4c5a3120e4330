"""What one step of the analysis hands to the next, and the model of what is expected."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from refsolve.methods.contact_expected import (
    Background,
    BinMask,
    ContactTable,
    ExpectedFit,
    LoopStrength,
    Stripes,
    find_stripes,
    fit_expected,
    loop_strength,
    mask_low_mappability,
    visible_gap,
)

from .tables import BoolArray, FloatArray, Matrix
from .target import refuse_unknown

MODEL = Background(distance="linear", by_condition=("distance", "gc"), dispersion="shared")
FAINT = 2.0  # a gap this many times as wide as any above it is one, if not a clear one
ERROR_RATE = 0.01  # chance that clean data lose any bin as a stripe


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """The matrix that is analysed and the target pixel in it."""

    matrix: Matrix
    table: ContactTable
    target: tuple[int, int]

    @property
    def observed(self) -> FloatArray:
        """Contacts of the target pixel in each sample (S,)."""
        return self.matrix.counts[:, self.matrix.pixel(*self.target)]


@dataclass(frozen=True, slots=True)
class Mappable:
    """Poorly mappable bins, and whether they stay in the training set all the same."""

    mask: BinMask
    kept: bool = False

    @property
    def leave(self) -> BoolArray:
        """Bins that leave the training set (B,)."""
        return np.zeros_like(self.mask.removed) if self.kept else self.mask.removed


@dataclass(frozen=True, slots=True, eq=False)
class Masked:
    """Bins whose pixels leave the training set, by condition, and how they were found."""

    bins: dict[str, BoolArray]
    stripes: Stripes | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Expectation:
    """Expected contacts of the target pixel in each sample (S,), and the model if there is one."""

    value: FloatArray
    fit: ExpectedFit | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Strength:
    """Loop strength of each condition, and of each sample (S,)."""

    mean: dict[str, float]
    log2: FloatArray


# Cached functions give the same along every path of a case.


@lru_cache(maxsize=2)
def viewed(study: Matrix, target: tuple[int, int]) -> View:
    """Pixels on the chromosome of the target, those in use measured between annotated bins."""
    matrix = study.on_chromosome_of(target[0])
    values = {name: matrix.bins.covariates[name] for name in ("gc_content", "re_sites")}
    known = np.all([np.isfinite(v) for v in values.values()], axis=0)
    use = np.isfinite(matrix.counts) & known[matrix.bin1] & known[matrix.bin2]
    gc, sites = (np.where(known, v, 0.0) for v in values.values())
    table = ContactTable(
        np.nan_to_num(matrix.counts),
        matrix.bin1,
        matrix.bin2,
        tuple(matrix.condition.tolist()),
        {"gc": gc, "re_sites": sites},
        use=use,
    )
    return View(matrix, table, target)


@lru_cache(maxsize=2)
def poor_bins(view: View, threshold: float) -> tuple[BinMask, bool]:
    """Bins below a gap in mappability, else below the threshold; and whether the gap is clear.

    A threshold below which most of the bins lie does not tell poor ones from the others.
    """
    values = view.matrix.bins.covariates["mappability"]
    refuse_unknown(view.matrix, values)
    found = mask_low_mappability(values, fallback=threshold)
    known, own = values[np.isfinite(values)], values[list(view.target)]
    clear, gap = found.found, visible_gap(known, ratio=FAINT, spread=0.0)
    if gap is not None and not clear:
        found = replace(mask_low_mappability(values, threshold=sum(gap) / 2), found=True)
    below = int((known < threshold).sum())
    if not found.found and 2 * below > known.size:
        reason = f"no visible gap, and {below} of {known.size} bins below {threshold:g}"
        return replace(mask_low_mappability(values), reason=reason), False
    if (found.removed[list(view.target)] & (own >= threshold)).any():
        low, high = found.edges
        reason = (
            f"a gap from {low:.3g} to {high:.3g}, which would mask a target above {threshold:g}"
        )
        return replace(mask_low_mappability(values, threshold=threshold), reason=reason), False
    return found, clear


@lru_cache(maxsize=2)
def stripes_of(view: View, poor: BinMask) -> Stripes:
    """Bins that deviate, among well mappable ones; mappability explains the others."""
    rest = view.table.without(masked=poor.removed, pixels=[view.target])
    fit_expected(rest, MODEL)  # ends with the reason where there are too few contacts for any model
    return find_stripes(rest, MODEL, error_rate=ERROR_RATE)


def leaving(stripes: Stripes) -> dict[str, BoolArray]:
    """Bins that leave each condition: those that deviate there, or in all conditions alike."""
    return {
        word: marks | stripes.shared
        for word, marks in zip(stripes.conditions, stripes.masked, strict=True)
    }


def training(view: View, mappable: Mappable, masked: Masked) -> ContactTable:
    """Pixels outside masked bins."""
    marks = np.stack([masked.bins[word] for word in view.table.conditions])
    return view.table.without(masked=mappable.leave | marks)


def modelled(view: View, table: ContactTable, model: Background = MODEL) -> Expectation:
    """What a model, fitted to the training pixels, expects of the target."""
    fit = fit_expected(table, model)
    return Expectation(fit.mu[:, view.matrix.pixel(*view.target)], fit)


def measured(view: View, fit: ExpectedFit) -> LoopStrength:
    """Strength at the target with its errors."""
    return loop_strength(fit, view.table, pixel=view.target)
