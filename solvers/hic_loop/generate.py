"""Cases of two matrices of Hi-C contacts, with the truth.

The background of a pixel is depth · distance^slope · exp(GC and restriction sites of its bins).
Poorly mappable bins lose contacts, stripes multiply all contacts of a bin in one condition, the
loop multiplies the target pixel of each replicate by its own factor, and counts are negative
binomial. The truth is log2(count / background) at the target: what depth, distance, GC and sites
alone would give is known, and the counts are the released ones.

Why every decision matters in the default case: the loop is one of four pixels of 40 kb; poor bins
lose most of their contacts; stripes double those of their bins; the loop is strong; the target is
richer in GC and sites than other pixels as far apart, and distance acts more strongly in cases; and
the deepest case replicate has the strongest loop.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refsolve.contract.outcome import GeneratedCase
from refsolve.core.errors import UsageError

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

FINE, COARSE = 20_000, 40_000
CONDITIONS = ("case", "control")
TOLERANCE = 0.02
SPREAD = 8.5  # two and a half standard errors of the difference, per noise of the mean pixel
BETWEEN = 3.0  # mean contacts of a pixel between chromosomes


@dataclass(frozen=True)
class Knobs:
    """Settings of a case."""

    bins: int = field(default=24, metadata={"doc": "bins of 20 kb per chromosome"})
    chromosomes: int = field(default=1, metadata={"doc": "chromosomes; the first has the target"})
    target1: int = field(default=8, metadata={"doc": "number of one bin of the target"})
    target2: int = field(default=17, metadata={"doc": "number of the other bin"})
    first_id: int = field(default=0, metadata={"doc": "number of the first bin"})
    ids: str = field(default="number", metadata={"doc": "number: 8; name: bin_0008"})
    case_replicates: int = field(default=3, metadata={"doc": "replicates of cases"})
    control_replicates: int = field(default=3, metadata={"doc": "replicates of controls"})
    background: float = field(default=1500.0, metadata={"doc": "expected contacts of the target"})
    depth_ratio: float = field(
        default=3.0, metadata={"doc": "depth of the deepest replicate over the shallowest"}
    )
    dispersion: float = field(default=0.0005, metadata={"doc": "variance is mean + this · mean²"})
    slope_case: float = field(default=-1.2, metadata={"doc": "slope of log distance, cases"})
    slope_control: float = field(default=-0.8, metadata={"doc": "the same, controls"})
    gc_case: float = field(default=4.0, metadata={"doc": "effect of mean GC on log counts, cases"})
    gc_control: float = field(default=2.5, metadata={"doc": "the same, controls"})
    site_effect: float = field(default=0.06, metadata={"doc": "effect of a restriction site"})
    rich: float = field(
        default=1.5, metadata={"doc": "how much richer in GC and sites the target is (SDs of bins)"}
    )
    loop_case: float = field(default=2.0, metadata={"doc": "log2 strength in cases, on average"})
    loop_control: float = field(default=-0.5, metadata={"doc": "the same, controls"})
    loop_spread: float = field(
        default=0.5, metadata={"doc": "by how much the strength rises from shallow to deep"}
    )
    low_bins: int = field(default=3, metadata={"doc": "poorly mappable bins"})
    gap_low: float = field(default=0.70, metadata={"doc": "highest mappability of a poor bin"})
    gap_high: float = field(default=0.88, metadata={"doc": "lowest mappability of another bin"})
    loss: float = field(default=0.6, metadata={"doc": "share of contacts that poor bins lose"})
    stripes: int = field(default=2, metadata={"doc": "bins with a stripe in cases"})
    stripes_control: int = field(default=0, metadata={"doc": "bins with a stripe in controls"})
    stripe: float = field(default=2.2, metadata={"doc": "factor of a stripe; below 1: depleted"})
    adjacent: bool = field(default=False, metadata={"doc": "stripes lie beside each other"})
    zeros: str = field(default="left_out", metadata={"doc": "left_out or listed"})
    diagonal: bool = field(default=True, metadata={"doc": "contacts within a bin are listed"})
    dist_bin: bool = field(default=True, metadata={"doc": "column dist_bin"})
    shuffle: bool = field(default=True, metadata={"doc": "rows in random order"})
    extra_columns: bool = field(default=False, metadata={"doc": "columns nobody asked for"})
    aliases: bool = field(default=False, metadata={"doc": "other accepted names of columns"})
    clean: bool = field(default=False, metadata={"doc": "no poor bins and no stripes"})

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise UsageError(f"{name} is one of {', '.join(choices)}.")
        ends = [self.target1 - self.first_id, self.target2 - self.first_id]
        if min(ends) < 0 or max(ends) >= self.bins or ends[0] == ends[1]:
            last = self.first_id + self.bins - 1
            raise UsageError(f"The target needs two bins from {self.first_id} to {last}.")
        if self.bins < 2 + self.low_bins + self.stripes + self.stripes_control:
            raise UsageError("There are more poor bins and stripes than bins.")
        if min(self.case_replicates, self.control_replicates, self.chromosomes) < 1:
            raise UsageError("Replicates and chromosomes are at least 1.")

    @property
    def target(self) -> tuple[int, int]:
        """The two bins of the target, counted from 0, in order."""
        one, two = sorted((self.target1 - self.first_id, self.target2 - self.first_id))
        return one, two


CHOICES = {"ids": ("number", "name"), "zeros": ("left_out", "listed")}


@dataclass(frozen=True)
class Locus:
    """The bins, and what happens to the contacts of each in each condition."""

    frame: pd.DataFrame
    factor: dict[str, Array]
    low: list[int]
    stripes: dict[str, list[int]]


@dataclass(frozen=True)
class Pixels:
    """All pairs of bins, the upper triangle with its diagonal."""

    one: Indices
    two: Indices
    cis: NDArray[np.bool_]

    @property
    def distance(self) -> Indices:
        """Distance in bins."""
        return self.two - self.one


@dataclass(frozen=True)
class Sample:
    """One replicate: background and counts of every pixel, and those of the target."""

    condition: str
    replicate: int
    counts: Indices
    observed: int
    background: float


def generate(knobs: Knobs, rng: np.random.Generator) -> GeneratedCase:
    """Bins, then replicates, then what is released of them."""
    locus = _locus(knobs, rng)
    total = knobs.bins * knobs.chromosomes
    one, two = np.triu_indices(total)
    pixels = Pixels(one, two, one // knobs.bins == two // knobs.bins)
    samples = [s for word in CONDITIONS for s in _samples(knobs, locus, pixels, word, rng)]
    strength = {
        word: [float(np.log2(s.observed / s.background)) for s in samples if s.condition == word]
        for word in CONDITIONS
    }
    mean = {word: float(np.mean(each)) for word, each in strength.items()}
    answer = {f"{word}_loop_strength": mean[word] for word in CONDITIONS}
    answer["delta_loop_strength"] = mean["case"] - mean["control"]
    return GeneratedCase(
        tables=_released(knobs, locus, pixels, samples, rng),
        answer=answer,
        tolerance=dict.fromkeys(answer, _tolerance(knobs)),
        latent={
            "target": [_name(knobs, i) for i in knobs.target],
            "low_mappability": [_name(knobs, i) for i in locus.low],
            "stripes": {w: [_name(knobs, i) for i in at] for w, at in locus.stripes.items()},
            "strength": strength,
            "background": {f"{s.condition} {s.replicate}": s.background for s in samples},
        },
    )


def _tolerance(knobs: Knobs) -> float:
    """That of the problem, or what the noise of so few contacts, bins and replicates allows."""
    noise = knobs.dispersion + 1 / knobs.background
    poor = 0 if knobs.clean else knobs.low_bins + max(knobs.stripes, knobs.stripes_control)
    pixels = max((knobs.bins - poor) * (knobs.bins - poor - 1) / 2, 1)
    samples = 1 / knobs.case_replicates + 1 / knobs.control_replicates
    return max(TOLERANCE, float(np.ceil(200 * SPREAD * np.sqrt(noise * samples / pixels)) / 200))


def _locus(knobs: Knobs, rng: np.random.Generator) -> Locus:
    total, target = knobs.bins * knobs.chromosomes, list(knobs.target)
    place = np.arange(total) % knobs.bins
    gc = rng.normal(0.42, 0.04, total)
    sites = rng.poisson(8, total)
    gc[target] = 0.42 + 0.04 * knobs.rich + rng.normal(0, 0.01, 2)
    sites[target] = np.rint(8 + np.sqrt(8) * knobs.rich + rng.integers(-1, 2, 2))
    free = rng.permutation(np.setdiff1d(np.arange(knobs.bins), target))
    counts = (0, 0, 0) if knobs.clean else (knobs.low_bins, knobs.stripes, knobs.stripes_control)
    low = sorted(free[: counts[0]].tolist())
    stripes = _stripes(knobs, np.setdiff1d(free, low), counts[1:], rng)
    mappable = rng.uniform(knobs.gap_high, 1, total)
    mappable[low] = knobs.gap_low - rng.uniform(0, 0.3 * knobs.gap_low, len(low))
    mappable[low[:1]] = knobs.gap_low
    kept = np.where(np.isin(np.arange(total), low), 1 - knobs.loss, 1.0)
    factor = {
        word: kept * np.where(np.isin(np.arange(total), at), knobs.stripe, 1.0)
        for word, at in stripes.items()
    }
    frame = pd.DataFrame(
        {
            "chrom": [f"chr{3 + i // knobs.bins}" for i in range(total)],
            "start": 60_000_000 + FINE * place,
            "end": 60_000_000 + FINE * (place + 1),
            "gc_content": np.round(np.clip(gc, 0.2, 0.75), 4),
            "mappability": np.round(mappable, 4),
            "re_sites": sites,
        }
    )
    return Locus(frame, factor, low, stripes)


def _stripes(
    knobs: Knobs, free: Indices, counts: tuple[int, ...], rng: np.random.Generator
) -> dict[str, list[int]]:
    order = rng.permutation(free)
    if knobs.adjacent and sum(counts) > 1:
        runs = np.convolve(np.isin(np.arange(knobs.bins), free), np.ones(sum(counts)), "valid")
        starts = np.flatnonzero(runs == sum(counts))
        if starts.size:
            order = rng.choice(starts) + np.arange(sum(counts))
    case, control = order[: counts[0]], order[counts[0] : sum(counts)]
    return {"case": sorted(case.tolist()), "control": sorted(control.tolist())}


def _samples(
    knobs: Knobs, locus: Locus, pixels: Pixels, word: str, rng: np.random.Generator
) -> list[Sample]:
    """Replicates of one condition; the deeper ones have the stronger loop."""
    case = word == "case"
    n = knobs.case_replicates if case else knobs.control_replicates
    at = np.flatnonzero((pixels.one == knobs.target[0]) & (pixels.two == knobs.target[1]))[0]
    shape = _background(knobs, locus, pixels, case=case)
    depth = np.linspace(-0.5, 0.5, n) if n > 1 else np.zeros(1)
    strength = (knobs.loop_case if case else knobs.loop_control) + knobs.loop_spread * depth
    samples = []
    for k, r in enumerate(rng.permutation(n)):
        level = np.log(knobs.background) + np.log(knobs.depth_ratio) * depth[r]
        background = np.exp(level + shape - shape[at])
        mean = background * locus.factor[word][pixels.one] * locus.factor[word][pixels.two]
        mean[at] *= 2 ** (strength[r] + rng.normal(0, 0.05))
        mean[~pixels.cis] = BETWEEN
        spread = mean
        if knobs.dispersion > 0:
            spread = rng.gamma(1 / knobs.dispersion, knobs.dispersion * mean)
        counts = rng.poisson(spread)
        counts[at] = max(counts[at], 1)
        samples.append(Sample(word, k + 1, counts, int(counts[at]), float(background[at])))
    return samples


def _background(knobs: Knobs, locus: Locus, pixels: Pixels, *, case: bool) -> Array:
    """Logarithm of the background, without the depth of a replicate."""
    gc, sites = (locus.frame[c].to_numpy(np.float64) for c in ("gc_content", "re_sites"))
    slope, rise = (
        (knobs.slope_case, knobs.gc_case) if case else (knobs.slope_control, knobs.gc_control)
    )
    # Contacts within a bin are as many as half a bin apart; they enter no analysis.
    shape = slope * np.log(np.maximum(np.abs(pixels.distance), 0.5))
    shape += rise * (gc[pixels.one] + gc[pixels.two]) / 2
    return np.asarray(shape + knobs.site_effect * (sites[pixels.one] + sites[pixels.two]) / 2)


def _name(knobs: Knobs, index: int) -> str:
    number = index + knobs.first_id
    return f"bin_{number:04d}" if knobs.ids == "name" else str(number)


def _released(
    knobs: Knobs, locus: Locus, pixels: Pixels, samples: list[Sample], rng: np.random.Generator
) -> dict[str, pd.DataFrame]:
    fine = locus.frame
    pairs = fine.groupby(["chrom", (fine["start"] // COARSE)], sort=False)
    parent = pairs.ngroup().to_numpy()
    coarse = pairs.agg(
        start=("start", "min"),
        end=("end", "max"),
        gc_content=("gc_content", "mean"),
        mappability=("mappability", "mean"),
        re_sites=("re_sites", "sum"),
    ).reset_index(level=0)
    tables = {
        "bins_20kb": _bins(knobs, fine),
        "bins_40kb": _bins(knobs, coarse.reset_index(drop=True)),
        "contacts_20kb": _contacts(knobs, pixels, samples),
        "contacts_40kb": _contacts(knobs, *_aggregated(pixels, samples, parent)),
    }
    return {name: _dressed(knobs, frame, rng) for name, frame in tables.items()}


def _bins(knobs: Knobs, frame: pd.DataFrame) -> pd.DataFrame:
    names = [_name(knobs, i) for i in range(len(frame))]
    order = ["chrom", "start", "end", "gc_content", "mappability", "re_sites"]
    return frame[order].round({"gc_content": 4, "mappability": 4}).assign(bin_id=names)


def _aggregated(
    pixels: Pixels, samples: list[Sample], parent: Indices
) -> tuple[Pixels, list[Sample]]:
    one, two = parent[pixels.one], parent[pixels.two]
    width = parent.max() + 1
    codes, index = np.unique(one * width + two, return_inverse=True)
    cis = np.zeros(codes.size, dtype=np.bool_)
    cis[index] = pixels.cis
    summed = []
    for s in samples:
        counts = np.zeros(codes.size, dtype=np.int64)
        np.add.at(counts, index, s.counts)
        summed.append(Sample(s.condition, s.replicate, counts, s.observed, s.background))
    return Pixels(codes // width, codes % width, cis), summed


def _contacts(knobs: Knobs, pixels: Pixels, samples: list[Sample]) -> pd.DataFrame:
    names = np.array([_name(knobs, i) for i in range(int(pixels.two.max()) + 1)])
    keep = pixels.cis | (knobs.chromosomes > 1)
    keep &= knobs.diagonal | (pixels.distance > 0)
    parts = []
    for s in samples:
        told = keep & ((s.counts > 0) | (knobs.zeros == "listed"))
        part = pd.DataFrame({"bin1": names[pixels.one[told]], "bin2": names[pixels.two[told]]})
        part.insert(0, "condition", s.condition)
        part.insert(1, "replicate", s.replicate)
        part["count"] = s.counts[told]
        if knobs.dist_bin:
            distance = pd.Series(pixels.distance[told], dtype="Int64")
            part["dist_bin"] = distance.mask(~pixels.cis[told])
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _dressed(knobs: Knobs, frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    if knobs.extra_columns:
        frame = frame.assign(note="ok", batch=rng.integers(1, 4, len(frame)))
    if knobs.aliases:
        frame = frame.rename(
            columns={"replicate": "rep", "bin1": "bin_i", "bin2": "bin_j", "count": "contacts"}
        )
    if knobs.shuffle:
        frame = frame.sample(frac=1, random_state=rng, ignore_index=True)
    ids = [c for c in ("bin_id",) if c in frame]
    return frame[[*ids, *(c for c in frame.columns if c not in ids)]]
