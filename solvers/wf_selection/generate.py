"""Cases of two loci under haploid Wright–Fisher drift, with the truth.

Frequencies and reads come from `simulate_loci`; miscalls are directional: the damaged base (C or G)
of a transition is misread at 2·seq_error − 0.01, everything else of that site at 0.01.

Why every decision matters in the default case: the derived allele is REF; damage sits on the
ancestral allele while the derived one is rare, so that averaged rates put the frequency too high; a
first bottleneck lowers the frequency of the selected locus and a second raises it again, an
excursion that selection would have to explain if these generations did not drift more than others;
and reads are absent from a run of generations and from some more.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refsolve.contract.outcome import GeneratedCase
from refsolve.core.errors import AnalysisError, UsageError
from refsolve.methods.wright_fisher import textbook
from refsolve.methods.wright_fisher.simulate import simulate_loci

Array = NDArray[np.float64]

INSTRUMENT_ERROR = 0.01
READ_AS = {"C": "T", "G": "A"}  # damage of a true base
NEAR = 0.15  # how closely a shift of the log odds is met
TRIES = 256  # paths drawn at a time
ROUNDS = 200


@dataclass(frozen=True)
class Knobs:
    """Settings of a case."""

    s: float = field(default=0.1, metadata={"doc": "selection at the selected locus"})
    spread: float = field(default=0.01, metadata={"doc": "s is drawn from s ± spread"})
    s_other: float = field(default=0.02, metadata={"doc": "selection at the other locus"})
    selected: str = field(default="random", metadata={"doc": "A, B or random"})
    start: float = field(default=0.03, metadata={"doc": "first frequency, selected locus"})
    start_other: float = field(default=0.3, metadata={"doc": "first frequency, other locus"})
    first: int = field(default=0, metadata={"doc": "number of the first generation"})
    generations: int = field(default=60, metadata={"doc": "generations after the first"})
    spacing: int = field(default=1, metadata={"doc": "generations from sample to sample"})
    depth: float = field(default=400.0, metadata={"doc": "mean reads per sample"})
    gap: float = field(
        default=0.28, metadata={"doc": "share of the series in an early run without reads"}
    )
    dropout: float = field(default=0.2, metadata={"doc": "share of the others without reads"})
    schedule: str = field(
        default="bottleneck", metadata={"doc": "constant, bottleneck, growth or piecewise"}
    )
    size: int = field(default=50_000, metadata={"doc": "chromosomes (the most there are)"})
    small: int = field(default=16, metadata={"doc": "chromosomes (the fewest there are)"})
    duration: int = field(default=3, metadata={"doc": "generations of each bottleneck"})
    shift: float = field(
        default=-1.2,
        metadata={
            "doc": "drift of the log odds in the first of two bottlenecks, undone in the second "
            "(both within 0.15); 0: as it comes"
        },
    )
    form: str = field(
        default="generation", metadata={"doc": "schedule by generation or by interval"}
    )
    damage: float = field(default=0.17, metadata={"doc": "average miscall rate of the reads"})
    kind: str = field(
        default="transition", metadata={"doc": "transition, transversion or random, selected"}
    )
    kind_other: str = field(default="random", metadata={"doc": "the same, other locus"})
    damaged: str = field(
        default="ancestral", metadata={"doc": "ancestral, derived or random allele is C or G"}
    )
    ref_derived: str = field(
        default="selected", metadata={"doc": "selected, other, both, neither or random"}
    )
    duplicates: int = field(default=0, metadata={"doc": "samples that are taken twice"})
    shuffle: bool = field(default=True, metadata={"doc": "rows in random order"})
    extra_columns: bool = field(default=True, metadata={"doc": "columns nobody asked for"})
    aliases: bool = field(default=False, metadata={"doc": "other accepted names of columns"})
    clean: bool = field(default=False, metadata={"doc": "no damage, no gap, ALT derived"})
    truth: str = field(
        default="parameter",
        metadata={"doc": "parameter, or latent: likelihood maximum with the true rates"},
    )

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise UsageError(f"{name} is one of {', '.join(choices)}.")
        if self.generations < 10 * self.duration and self.schedule == "bottleneck":
            raise UsageError("Two bottlenecks need generations of at least 10 times duration.")


CHOICES = {
    "selected": ("random", "A", "B"),
    "schedule": ("bottleneck", "constant", "growth", "piecewise"),
    "form": ("generation", "interval"),
    "kind": ("transition", "transversion", "random"),
    "kind_other": ("transition", "transversion", "random"),
    "damaged": ("ancestral", "derived", "random"),
    "ref_derived": ("selected", "other", "both", "neither", "random"),
    "truth": ("parameter", "latent"),
}


@dataclass(frozen=True)
class Site:
    """One locus: what acts on it, its alleles, its samples and its true path."""

    s: float
    start: float
    derived: str
    ancestral: str
    ref_derived: bool
    generation: NDArray[np.int64]  # from 0
    seq_error: Array
    derived_reads: NDArray[np.int64]
    total: NDArray[np.int64]
    path: Array


def generate(knobs: Knobs, rng: np.random.Generator) -> GeneratedCase:
    """Draw a case; latent truth is drawn again until the selected locus has the larger maximum."""
    sizes, troughs = chromosomes(knobs)
    knobs = replace(knobs, s=round(knobs.s + knobs.spread * rng.uniform(-1, 1), 4))
    name = str(rng.choice(["A", "B"])) if knobs.selected == "random" else knobs.selected
    other = "B" if name == "A" else "A"
    for _ in range(ROUNDS):
        sites = {
            name: _site(knobs, True, sizes, troughs, rng),
            other: _site(knobs, False, sizes, [], rng),
        }
        s = {key: site.s for key, site in sites.items()}
        if knobs.truth == "latent":
            s = {key: likelihood_maximum(site, sizes) for key, site in sites.items()}
        if s[name] > s[other]:
            break
    else:
        raise AnalysisError("The selected locus never had the larger maximum.", hint="Raise s.")
    tables = {f"locus_{key}_timeseries": _series(sites[key], knobs, rng) for key in "AB"}
    tables["variant_info"] = _variants(sites, knobs)
    tables["Ne_schedule"] = _schedule(sizes, knobs, rng)
    latent = {
        key: {"s": site.s, "maximum": s[key], "path": site.path} for key, site in sites.items()
    }
    return GeneratedCase(tables, {"selected_locus": name, "s": s[name]}, latent=latent)


def chromosomes(knobs: Knobs) -> tuple[NDArray[np.int64], list[slice]]:
    """Sizes of generations 0..T, and the generations of the bottlenecks."""
    T, large, small = knobs.generations, knobs.size, knobs.small
    sizes = np.full(T + 1, large)
    if knobs.schedule == "growth":
        sizes = np.rint(small * (large / small) ** (np.arange(T + 1) / T)).astype(np.int64)
    if knobs.schedule == "piecewise":
        sizes = np.array([large, small, large // 2, large])[np.arange(T + 1) * 4 // (T + 1)]
    if knobs.schedule != "bottleneck":
        return sizes, []
    # 47 % and 83 %: the excursion between them is what drift of one size cannot tell from s.
    troughs = [slice(b, b + knobs.duration) for b in (round(0.47 * T), round(0.83 * T))]
    for trough in troughs:
        sizes[trough] = small
    return sizes, troughs


def _site(
    knobs: Knobs,
    selected: bool,
    sizes: NDArray[np.int64],
    troughs: list[slice],
    rng: np.random.Generator,
) -> Site:
    s, x0, kind = (knobs.s, knobs.start, knobs.kind)
    if not selected:
        s, x0, kind = (knobs.s_other, knobs.start_other, knobs.kind_other)
    derived, ancestral = _bases(kind, knobs.damaged, rng)
    generation = np.arange(0, knobs.generations + 1, knobs.spacing)
    generation = np.r_[generation, rng.choice(generation, knobs.duplicates, replace=False)]
    seq_error = _seq_error(knobs, generation.size, rng)
    total = _depths(knobs, generation, rng)
    e_da, e_ad = _true_rates(derived, ancestral, seq_error)
    for _ in range(ROUNDS):
        drawn = simulate_loci(
            selection=np.full(TRIES, s),
            sizes=sizes,
            generation=generation,
            total=total,
            start_frequency=x0,
            e_da=e_da,
            e_ad=e_ad,
            rng=rng,
        )
        good = np.flatnonzero(_wanted(drawn.path, s, troughs, knobs.shift))
        if good.size:
            break
    else:
        raise AnalysisError("No path met the knobs.", hint="Lessen shift, or start in between.")
    return Site(
        s,
        x0,
        derived,
        ancestral,
        _is_ref_derived(knobs, selected, rng),
        generation,
        seq_error,
        drawn.derived[good[0]],
        total,
        drawn.path[good[0]],
    )


def _wanted(path: Array, s: float, troughs: list[slice], shift: float) -> NDArray[np.bool_]:
    """Paths that segregate to the end and, if asked, drift as wanted in the bottlenecks."""
    good = (path[:, -1] > 0) & (path[:, -1] < 1)
    if not troughs or not shift:
        return good
    inside = np.clip(path, 1e-9, 1 - 1e-9)
    odds = np.log(inside / (1 - inside))
    for trough, aim in zip(troughs, (shift, -shift), strict=True):
        drifted = odds[:, trough.stop - 1] - odds[:, trough.start - 1]
        drifted = drifted - np.log1p(s) * (trough.stop - trough.start)
        good &= np.abs(drifted - aim) < NEAR
    return good


def _bases(kind: str, damaged: str, rng: np.random.Generator) -> tuple[str, str]:
    """Derived and ancestral base."""
    if kind == "random":
        kind = str(rng.choice(["transition", "transversion"]))
    if kind == "transversion":
        derived = str(rng.choice(list("ACGT")))
        partner = {"A": "G", "G": "A", "C": "T", "T": "C"}[derived]
        return derived, str(rng.choice([b for b in "ACGT" if b not in (derived, partner)]))
    if damaged == "random":
        damaged = str(rng.choice(["ancestral", "derived"]))
    true = str(rng.choice(list(READ_AS)))
    return (true, READ_AS[true]) if damaged == "derived" else (READ_AS[true], true)


def _seq_error(knobs: Knobs, n: int, rng: np.random.Generator) -> Array:
    mean = INSTRUMENT_ERROR if knobs.clean else knobs.damage
    spread = 0.0 if knobs.clean else 0.1
    return np.round(mean * rng.uniform(1 - spread, 1 + spread, n), 4)


def _true_rates(derived: str, ancestral: str, seq_error: Array) -> tuple[Array, Array]:
    """e_DA and e_AD, from the table of misreadings and not from the solver."""
    inflated = np.maximum(2 * seq_error - INSTRUMENT_ERROR, 0)
    directed = seq_error >= INSTRUMENT_ERROR / 2
    lesser = np.where(directed, INSTRUMENT_ERROR, seq_error)
    inflated = np.where(directed, inflated, seq_error)
    if (derived, ancestral) in READ_AS.items():
        return inflated, lesser
    if (ancestral, derived) in READ_AS.items():
        return lesser, inflated
    return seq_error, seq_error


def _depths(
    knobs: Knobs, generation: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    total = rng.poisson(knobs.depth, generation.size)
    if knobs.clean:
        return np.maximum(total, 1)
    inside = (generation > 0) & (generation < generation.max())
    begin = 0.12 * knobs.generations
    run = (generation >= begin) & (generation < begin + knobs.gap * knobs.generations)
    # Every so manieth sample from a random phase: chance would make cases needlessly unlike.
    turn = np.floor((np.arange(generation.size + 1) + rng.random()) * knobs.dropout)
    failed = np.diff(turn) > 0
    return np.where(inside & (run | failed), 0, np.maximum(total, 1))


def _is_ref_derived(knobs: Knobs, selected: bool, rng: np.random.Generator) -> bool:
    if knobs.clean:
        return False
    if knobs.ref_derived == "random":
        return bool(rng.random() < 0.5)
    return knobs.ref_derived in ("both", "selected" if selected else "other")


def _series(site: Site, knobs: Knobs, rng: np.random.Generator) -> pd.DataFrame:
    alt = site.total - site.derived_reads if site.ref_derived else site.derived_reads
    frame = pd.DataFrame(
        {
            "generation": site.generation + knobs.first,
            "alt_reads": alt,
            "total_reads": site.total,
            "seq_error": site.seq_error,
            "sample_year": -25 * (knobs.generations - site.generation),
        }
    )
    if knobs.extra_columns:
        frame["site_code"] = [f"S{rng.integers(100, 999)}" for _ in range(len(frame))]
    return frame.sample(frac=1, random_state=rng) if knobs.shuffle else frame


def _variants(sites: dict[str, Site], knobs: Knobs) -> pd.DataFrame:
    rows = []
    for key in sorted(sites, reverse=knobs.shuffle):
        site = sites[key]
        pair = (site.ancestral, site.derived)
        ref, alt = pair[::-1] if site.ref_derived else pair
        rows.append({"locus": key, "ref": ref, "alt": alt, "ancestral": site.ancestral})
    frame = pd.DataFrame(rows)
    return frame.rename(columns={"ancestral": "outgroup_allele"}) if knobs.aliases else frame


def _schedule(sizes: NDArray[np.int64], knobs: Knobs, rng: np.random.Generator) -> pd.DataFrame:
    frame = pd.DataFrame({"generation": np.arange(sizes.size) + knobs.first, "Ne": sizes})
    if knobs.form == "interval":
        run = frame["Ne"].ne(frame["Ne"].shift()).cumsum()
        groups = frame.groupby(run, as_index=False)
        frame = groups.agg(
            generation_start=("generation", "min"),
            generation_end=("generation", "max"),
            Ne=("Ne", "first"),
        )
    if knobs.aliases:
        frame = frame.rename(columns={"Ne": "N", "generation_start": "start"})
    return frame.sample(frac=1, random_state=rng) if knobs.shuffle else frame


def likelihood_maximum(site: Site, sizes: NDArray[np.int64]) -> float:
    """Where the exact chain of the textbook has its likelihood maximum, with the true rates."""
    e_da, e_ad = _true_rates(site.derived, site.ancestral, site.seq_error)
    counts = site.derived_reads, site.total
    table = textbook.emission_table(sizes, site.generation, *counts, e_da, e_ad)
    prior = textbook.start_uniform(int(sizes[0]))
    low, high = -0.3, 0.6
    for _ in range(6):
        grid = np.linspace(low, high, 9)
        values = [textbook.log_likelihood(table, sizes, s, prior) for s in grid]
        best = int(np.argmax(values))
        low, high = grid[max(best - 1, 0)], grid[min(best + 1, 8)]
    return float(grid[best])
