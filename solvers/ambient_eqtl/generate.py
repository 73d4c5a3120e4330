"""Cases of monocytes in ambient RNA, with the effect of one variant on CXCL10 in activated cells.

A cell of N molecules has Binomial(N, rho) ambient ones, which are drawn from the soup, and native
ones, which are drawn from the profile of its state and donor. Where cells have at least 5,000
molecules and donors at least 40 cells, the truth is the parameter; else it is latent: the
donor-level model on the native counts of the truly activated cells.

Why every decision matters in the default case: most donors with the allele are in the technical
group with more ambient RNA, whose native rate of CXCL10 is higher; the soup has twice the share of
CXCL10 that activated cells have, and fills up what the allele takes away; resting cells respond to
the allele the other way, and donors with the allele have more activated cells; donors differ in the
number of their cells and, beyond chance, in their rate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refsolve.contract.outcome import GeneratedCase
from refsolve.core.errors import UsageError
from refsolve.methods.count_glm.textbook import likelihood

Array = NDArray[np.float64]
Index = NDArray[np.int64]

GENES = ("HBB", "IFI6", "ISG15", "LST1", "CXCL10")
ACTIVATED = np.array([0.012, 0.018, 0.003])  # native shares of IFI6, ISG15 and LST1
RESTING = np.array([0.001, 0.0015, 0.014])
TRUTHS, SEXES = ("auto", "parameter", "latent"), ("letters", "words", "numbers", "one")
LARGE_CELLS, MANY_CELLS = 5000, 40  # from here on the truth is the parameter
EFFECTS = {"sex": 0.15, "age": 0.008, "bmi": 0.01}
OPTIONS = {
    "letters": ("F", "M"), "words": ("female", "male"), "numbers": ("0", "1"), "one": ("F", "F")
}  # fmt: skip


def _knob(default: float | bool | str, doc: str) -> Any:
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True)
class Knobs:
    """Settings of a case."""

    donors: int = _knob(24, "donors")
    cells: float = _knob(36.0, "median number of cells of a donor")
    cells_spread: float = _knob(0.7, "its spread on the log scale")
    fewest: int = _knob(10, "fewest cells of a donor")
    umi: float = _knob(1000.0, "median molecules of a cell")
    umi_spread: float = _knob(0.2, "its spread on the log scale")
    effect: float = _knob(-0.6, "log rate ratio per allele in activated cells")
    effect_spread: float = _knob(0.1, "it is drawn from effect ± this")
    frequency: float = _knob(0.45, "of the counted allele")
    rate: float = _knob(0.04, "native share of CXCL10 in an activated cell without the allele")
    resting_rate: float = _knob(0.5, "rate of a resting cell over that")
    resting_effect: float = _knob(0.5, "log rate ratio per allele in resting cells")
    donor_spread: float = _knob(0.25, "spread of the log rate between donors, in all their cells")
    active: float = _knob(0.45, "share of activated cells")
    active_spread: float = _knob(0.4, "its spread between donors, on the logit scale")
    active_effect: float = _knob(0.3, "log odds of activation per allele")
    separation: float = _knob(1.0, "distance of the states in the markers; 0: none, 1: a wide gap")
    groups: bool = _knob(True, "two technical groups of donors")
    confounding: float = _knob(0.95, "of group and genotype: 0 none, 1 nearly complete, -1 reverse")
    homozygotes: bool = _knob(False, "no donor has one copy, so that confounding can be complete")
    exceptions: int = _knob(
        0, "donors of either group that change places with as many of the other"
    )
    group_effect: float = _knob(0.8, "log rate ratio of the contaminated group")
    rho: float = _knob(0.05, "ambient share of a cell")
    rho_group: float = _knob(0.26, "the same in the contaminated group")
    rho_donor: float = _knob(0.1, "its spread between donors, on the log scale")
    rho_cell: float = _knob(0.25, "its spread between cells, on the log scale")
    soup: float = _knob(0.08, "share of CXCL10 in ambient RNA")
    soup_hbb: float = _knob(0.1, "share of HBB in ambient RNA")
    soup_markers: float = _knob(0.01, "share of IFI6, ISG15 and, by half, LST1 in ambient RNA")
    covariates: float = _knob(1.0, "size of the effects of sex, age and BMI")
    empties: int = _knob(3000, "empty droplets")
    empty_umi: float = _knob(40.0, "mean molecules of an empty droplet")
    truth: str = _knob("auto", "parameter, latent, or auto: by the size of cells and donors")
    sexes: str = _knob("letters", "letters, words, numbers, or one sex only")
    missing: int = _knob(0, "donors whose age or BMI is missing")
    idle: int = _knob(0, "donors without activated cells")
    absent: int = _knob(0, "donors of the table that gave no cells")
    aliases: bool = _knob(False, "the other accepted name of the genotype")
    extra_columns: bool = _knob(True, "columns nobody asked for")
    shuffle: bool = _knob(True, "rows and columns in random order")
    clean: bool = _knob(False, "one group, little ambient RNA, no effect of a covariate")

    def __post_init__(self) -> None:
        checks = {
            f"truth is one of {', '.join(TRUTHS)}": self.truth in TRUTHS,
            f"sexes is one of {', '.join(SEXES)}": self.sexes in SEXES,
            "donors is at least 4": self.donors >= 4,
            "confounding is -1 to 1": -1 <= self.confounding <= 1,
            "idle and missing are fewer than donors": max(self.idle, self.missing) < self.donors,
        }
        for rule, kept in checks.items():
            if not kept:
                raise UsageError(f"{rule}.")

    @property
    def parameter(self) -> bool:
        """Whether the truth is the parameter."""
        large = self.umi >= LARGE_CELLS and self.cells >= MANY_CELLS
        return self.truth == "parameter" or (self.truth == "auto" and large)


@dataclass(frozen=True)
class Donors:
    """Who gave cells, and what their rates are; `log_rate` lacks the part of the genotype."""

    frame: pd.DataFrame
    x: Array  # intercept, genotype, sex, age, BMI, group
    group: Index
    rho: Array
    log_rate: Array
    active: Array


@dataclass(frozen=True)
class Cells:
    """Cells as they were drawn; genes in the order of `GENES`."""

    donor: Index
    active: NDArray[np.bool_]
    total: Index
    native_total: Index
    native: Index
    ambient: Index


def generate(knobs: Knobs, rng: np.random.Generator) -> GeneratedCase:
    """Draw the donors, their cells and the soup; the truth never sees an ambient molecule."""
    beta = round(knobs.effect + knobs.effect_spread * rng.uniform(-1, 1), 4)
    soup = _soup(knobs)
    donors = _donors(knobs, rng)
    cells = _cells(knobs, donors, beta, soup, rng)
    latent = latent_estimate(donors, cells)
    tables = {
        "cells": _cell_table(knobs, donors, cells, rng),
        "empty_drops": _empty_table(knobs, soup, rng),
        "donors": _donor_table(knobs, donors, rng),
    }
    return GeneratedCase(
        tables,
        {"beta_activated": beta if knobs.parameter else latent},
        latent={
            "parameter": beta,
            "donor_level": latent,
            "truth": "parameter" if knobs.parameter else "latent",
            "group": dict(zip(donors.frame["donor"], donors.group.tolist(), strict=True)),
            "rho": dict(zip(donors.frame["donor"], donors.rho.round(4).tolist(), strict=True)),
            "activated": int(cells.active.sum()),
        },
    )


def latent_estimate(donors: Donors, cells: Cells) -> float:
    """Negative-binomial regression of native totals of truly activated cells of the donors."""
    n = len(donors.x)
    y, exposure = (
        np.bincount(cells.donor[cells.active], v[cells.active], n)
        for v in (cells.native[:, -1], cells.native_total)
    )
    seen = exposure > 0
    x = donors.x[seen]
    x = x[:, [0, 1, *(k for k in range(2, x.shape[1]) if np.ptp(x[:, k]) > 0)]]
    y, exposure, none = y[seen], exposure[seen], np.zeros(int(seen.sum()))
    alpha = likelihood.dispersion(y, x, exposure, none, adjusted=True)
    return float(likelihood.fit(y, x, exposure, none, alpha).beta[1])


def _soup(knobs: Knobs) -> Array:
    m = knobs.soup_markers
    return np.array([knobs.soup_hbb, m, m, m / 2, knobs.soup])


def _donors(knobs: Knobs, rng: np.random.Generator) -> Donors:
    n = knobs.donors
    g = _genotypes(knobs, rng)
    sex, age = rng.permutation(np.arange(n) % 2), rng.integers(22, 75, n)
    bmi = rng.normal(26, 3.5, n).round(1)
    grouped = knobs.groups and not knobs.clean
    group = _groups(knobs, g, rng) if grouped else np.zeros(n, dtype=np.int64)
    size = 0.0 if knobs.clean else knobs.covariates
    rho = np.where(group == 1, knobs.rho_group, 0.02 if knobs.clean else knobs.rho)
    male = (sex if knobs.sexes != "one" else 0 * sex).astype(float)
    log_rate = np.log(knobs.rate) + knobs.donor_spread * rng.normal(size=n)
    log_rate += knobs.group_effect * group + size * (
        EFFECTS["sex"] * male + EFFECTS["age"] * (age - 50) + EFFECTS["bmi"] * (bmi - 26)
    )
    odds = np.log(knobs.active / (1 - knobs.active)) + knobs.active_effect * (g - g.mean())
    active = 1 / (1 + np.exp(-odds - knobs.active_spread * rng.normal(size=n)))
    active[rng.permutation(n)[: knobs.idle]] = 0.0
    words = np.array(OPTIONS[knobs.sexes])[sex]
    names = [f"D{k:03d}" for k in rng.permutation(n) + 1]
    return Donors(
        pd.DataFrame({"donor": names, "g": g, "sex": words, "age": age, "bmi": bmi}),
        np.column_stack([np.ones(n), g, male, (age - 50) / 10, (bmi - 26) / 4, group]),
        group,
        np.minimum(rho * np.exp(knobs.rho_donor * rng.normal(size=n)), 0.45),
        log_rate,
        active,
    )


def _genotypes(knobs: Knobs, rng: np.random.Generator) -> Index:
    """Hardy-Weinberg shares, as exactly as the number of donors allows."""
    f, n = knobs.frequency, knobs.donors
    if knobs.homozygotes:
        return rng.permutation(2 * (np.arange(n) >= round(n * (1 - f))))
    places = (np.arange(n) + 0.5) / n
    return rng.permutation((places > (1 - f) ** 2).astype(int) + (places > 1 - f * f))


def _groups(knobs: Knobs, g: Index, rng: np.random.Generator) -> Index:
    """The upper half by what is partly the genotype and partly chance."""
    c = knobs.confounding
    place = c * (g - g.mean()) / g.std() + np.sqrt(1 - c * c) * rng.normal(size=g.size)
    place += 1e-6 * rng.normal(size=g.size)
    group = (place.argsort().argsort() >= g.size // 2).astype(np.int64)
    for code in (0, 1) if knobs.exceptions else ():
        group[rng.permutation(np.flatnonzero(group == code))[: knobs.exceptions]] += 2
    return np.where(group >= 2, 3 - group, group)


def _cells(
    knobs: Knobs, donors: Donors, beta: float, soup: Array, rng: np.random.Generator
) -> Cells:
    n = knobs.donors
    counts = np.rint(knobs.cells * np.exp(knobs.cells_spread * rng.normal(size=n)))
    donor = np.repeat(np.arange(n), np.maximum(counts, knobs.fewest).astype(np.int64))
    size = donor.size
    active = rng.random(size) < donors.active[donor]
    total = np.rint(knobs.umi * np.exp(knobs.umi_spread * rng.normal(size=size))).astype(np.int64)
    rho = donors.rho[donor] * np.exp(knobs.rho_cell * rng.normal(size=size))
    ambient_total = rng.binomial(total, np.minimum(rho, 0.5))
    g = donors.x[donor, 1]
    log_rate = donors.log_rate[donor] + np.where(active, beta * g, knobs.resting_effect * g)
    rate = np.minimum(np.exp(log_rate) * np.where(active, 1.0, knobs.resting_rate), 0.2)
    middle = np.sqrt(ACTIVATED * RESTING)
    markers = middle * (np.where(active[:, None], ACTIVATED, RESTING) / middle) ** knobs.separation
    shares = np.column_stack([np.zeros(size), markers, rate])
    native = rng.multinomial(total - ambient_total, _complete(shares))[:, :-1]
    ambient = rng.multinomial(ambient_total, _complete(soup[None, :]))[:, :-1]
    return Cells(donor, active, total, total - ambient_total, native, ambient)


def _complete(shares: Array) -> Array:
    """With the share of all other genes."""
    return np.column_stack([shares, 1 - shares.sum(axis=1)])


def _cell_table(
    knobs: Knobs, donors: Donors, cells: Cells, rng: np.random.Generator
) -> pd.DataFrame:
    names = donors.frame["donor"].to_numpy()[cells.donor]
    frame = pd.DataFrame(
        {
            "cell_id": [f"c{k:06d}" for k in rng.permutation(cells.donor.size)],
            "donor": names,
            "total_umi": cells.total,
        }
    )
    frame[list(GENES)] = cells.native + cells.ambient
    if knobs.extra_columns:
        frame["percent_mito"] = rng.uniform(1, 8, len(frame)).round(2)
    return _mixed(knobs, frame, rng)


def _empty_table(knobs: Knobs, soup: Array, rng: np.random.Generator) -> pd.DataFrame:
    total = 1 + rng.poisson(knobs.empty_umi - 1, knobs.empties)
    counts = rng.multinomial(total, _complete(soup[None, :])[0])[:, :-1]
    frame = pd.DataFrame({"barcode": [f"e{k:06d}" for k in range(knobs.empties)]})
    frame["total_umi"] = total
    frame[list(GENES)] = counts
    return _mixed(knobs, frame, rng)


def _donor_table(knobs: Knobs, donors: Donors, rng: np.random.Generator) -> pd.DataFrame:
    frame = donors.frame.astype({"age": float})
    for k in rng.permutation(knobs.donors)[: knobs.missing]:
        frame.loc[k, str(rng.choice(["age", "bmi"]))] = np.nan
    extra = donors.frame.sample(knobs.absent, replace=True, random_state=rng)
    extra["donor"] = [f"X{k + 1:03d}" for k in range(knobs.absent)]
    frame = pd.concat([frame, extra], ignore_index=True)
    if knobs.extra_columns:
        frame["smoker"] = rng.choice(["yes", "no"], len(frame))
    frame = frame.rename(columns={"g": "genotype"}) if knobs.aliases else frame
    return _mixed(knobs, frame, rng)


def _mixed(knobs: Knobs, frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    if not knobs.shuffle:
        return frame
    order = rng.permutation(len(frame))
    columns = rng.permutation(np.array(frame.columns, dtype=object))
    return frame.iloc[order].reset_index(drop=True)[list(columns)]
