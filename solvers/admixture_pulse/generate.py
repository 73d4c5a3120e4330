"""Cases of one admixed individual with the truth of the uncorrupted tracts.

Why every decision matters in the default case: islands add two switches each; one chromosome is
inverted on both haplotypes; gaps hide switches, and leave about a twentieth of the map uncalled;
and the two parents differ in fraction and time. True tracts that are short, that look bad in one
column, or that are long and look bad in both, must stay.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from refsolve.contract.outcome import GeneratedCase
from refsolve.core.errors import AnalysisError, UsageError
from refsolve.methods.tracts import textbook

from .latent import (
    HINT,
    GapPlan,
    IslandPlan,
    Parents,
    Pieces,
    draw_tracts,
    label_ratios,
    looks_odd,
    make_gaps,
    path,
    plan_islands,
)

# Sex-averaged lengths of the human chromosomes 1 to 22, in Morgan.
HUMAN = (
    2.863, 2.688, 2.232, 2.146, 2.040, 1.920, 1.872, 1.680, 1.663, 1.811, 1.582,
    1.746, 1.257, 1.202, 1.414, 1.340, 1.285, 1.175, 1.077, 1.083, 0.628, 0.741,
)  # fmt: skip
DRAWN = (0.7, 2.9)  # Morgan
LONG = 0.3  # Morgan: longer than any island
EDGE = 3.3  # log-likelihood ratio in favour of the true labels, where they are to be told apart
ROUNDS = 200
LABELS = np.array(["A", "B"])
SCALES = ("usual", "saturated", "constant")


def _knob(default: float | bool | str, doc: str) -> float | bool | str:
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True)
class Knobs:
    """Settings of a case."""

    chromosomes: int = _knob(6, "number of chromosomes, 1 to 22")
    lengths: str = _knob("human", "human, or drawn from 0.7 to 2.9 Morgan")
    fraction1: float = _knob(0.30, "A fraction of one parent, 0.1 to 0.9")
    fraction2: float = _knob(0.70, "A fraction of the other parent")
    fraction_spread: float = _knob(0.03, "fractions are drawn from their value ± this")
    time1: float = _knob(2.6, "generations of the first parent, 2 to 30")
    time2: float = _knob(5.2, "generations of the other parent")
    time_spread: float = _knob(0.15, "times are drawn from their value × (1 ± this)")
    separated: bool = _knob(True, "label ratios leave a gap from −2.9 to 3.3")
    odd: int = _knob(
        1, "chromosomes at least that look inverted on one haplotype alone, if separated"
    )
    inverted: int = _knob(1, "chromosomes with exchanged labels, fewer than half")
    islands: int = _knob(8, "artefacts, counted on both haplotypes")
    island_shortest: float = _knob(0.003, "Morgan")
    island_longest: float = _knob(0.02, "Morgan")
    reciprocal: float = _knob(0.6, "share of islands in pairs at the same place of both haplotypes")
    islands_at_ends: int = _knob(0, "how many of the islands begin a chromosome")
    islands_beside_gap: float = _knob(0.1, "share of islands that a short gap parts from a flank")
    gaps: int = _knob(8, "uncalled intervals within tracts, per haplotype")
    hidden: int = _knob(2, "gaps that hide a switch, per haplotype, where there are so many")
    gap_shortest: float = _knob(0.03, "Morgan")
    gap_longest: float = _knob(0.15, "Morgan")
    end_gap: float = _knob(0.06, "longest uncalled interval at a chromosome end, Morgan")
    posterior: str = _knob("usual", "usual, saturated (all near 1) or constant")
    low_complexity: str = _knob("usual", "usual, saturated (all near 0) or constant")
    one_sided: float = _knob(0.05, "share of true tracts that look bad in one column")
    noisy: int = _knob(1, "long true tracts that look bad in both columns")
    missing: float = _knob(0.0, "share of true tracts whose quality is missing")
    haplotypes: str = _knob("h1,h2", "labels of the two haplotypes")
    prefix: str = _knob("", "what chromosome names begin with")
    map_start: float = _knob(0.0, "where maps start at most, Morgan")
    clean: bool = _knob(False, "no artefact, no gap and no inverted chromosome")
    aliases: bool = _knob(False, "use an alias of the column of map lengths")
    extra_columns: bool = _knob(False, "add columns that nobody asked for")
    shuffle: bool = _knob(True, "rows and columns in any order")

    def __post_init__(self) -> None:
        checks = {
            "chromosomes is 1 to 22": 1 <= self.chromosomes <= 22,
            "lengths is human or drawn": self.lengths in ("human", "drawn"),
            "inverted is less than half of chromosomes": 2 * self.inverted < self.chromosomes,
            "posterior and low_complexity are usual, saturated or constant": {
                self.posterior,
                self.low_complexity,
            }
            <= set(SCALES),
            "haplotypes are two labels with a comma": len(set(self.haplotypes.split(","))) == 2,
            "fractions lie between 0 and 1": 0 < min(self.fraction1, self.fraction2)
            and max(self.fraction1, self.fraction2) < 1,
        }
        for rule, kept in checks.items():
            if not kept:
                raise UsageError(f"{rule}.")


def generate(knobs: Knobs, rng: np.random.Generator) -> GeneratedCase:
    """Draw a case; the truth is taken before islands and inverted labels are put in."""
    lengths = _lengths(knobs, rng)
    tracts, called, hidden = _tracts(lengths, knobs, rng)
    number = 0 if knobs.clean else knobs.islands
    plan = IslandPlan(
        number, (knobs.island_shortest, knobs.island_longest), knobs.reciprocal,
        knobs.islands_at_ends, knobs.islands_beside_gap,
    )  # fmt: skip
    called, edits = plan_islands(called, plan, rng)
    truth = [_truth(tracts[h], called[h], sum(lengths)) for h in (0, 1)]
    ratios = label_ratios(called)
    for h, c, edit in edits:
        called[h][c] = edit(called[h][c])
    inverted = np.zeros(len(lengths), dtype=bool)
    # Chromosomes that look odd on one haplotype keep their labels, for a wrong turn to flip them.
    order = rng.permutation(len(lengths))
    order = order[np.argsort(looks_odd(ratios)[order], kind="stable")]
    inverted[order[: 0 if knobs.clean else knobs.inverted]] = True
    names = _names(knobs, rng)
    segments, chart = _rows(called, inverted, knobs, rng), _map(lengths, knobs, rng)
    latent = {
        "haplotypes": {names[h]: truth[h] for h in (0, 1)},
        "inverted": [int(c) + 1 for c in np.flatnonzero(inverted)],
        "islands": len(edits),
        "hidden_switches": hidden,
        "label_ratio_as_called": ratios.sum(axis=0) * np.where(inverted, -1, 1),
    }
    tables = _released(segments, chart, names, knobs, rng)
    return GeneratedCase(tables, _answer(truth), latent=latent)


def _tracts(
    lengths: list[float], knobs: Knobs, rng: np.random.Generator
) -> tuple[list[list[Pieces]], list[list[Pieces]], list[int]]:
    """True tracts and what is called of them, with labels that can be told if asked for."""
    edge = EDGE if knobs.separated else -np.inf
    odd = 0 if knobs.clean or not knobs.separated else knobs.odd
    for _ in range(ROUNDS):
        tracts = draw_tracts(_parents(knobs, rng), lengths, edge, odd, rng)
        called, hidden = _with_gaps(tracts, knobs, rng)
        ratios = label_ratios(called)
        told = (ratios.sum(axis=0) < -edge).all() and looks_odd(ratios).sum() >= odd
        if told or not knobs.separated:
            return tracts, called, hidden
    raise AnalysisError("No set of chromosomes told its labels apart.", hint=HINT)


def _names(knobs: Knobs, rng: np.random.Generator) -> list[str]:
    names = knobs.haplotypes.split(",")
    return names[::-1] if knobs.shuffle and rng.random() < 0.5 else names


def _lengths(knobs: Knobs, rng: np.random.Generator) -> list[float]:
    if knobs.lengths == "human":
        return list(HUMAN[: knobs.chromosomes])
    return np.round(rng.uniform(*DRAWN, knobs.chromosomes), 3).tolist()


def _parents(knobs: Knobs, rng: np.random.Generator) -> Parents:
    shift = knobs.fraction_spread * rng.uniform(-1, 1, 2)
    fraction = np.clip(np.array([knobs.fraction1, knobs.fraction2]) + shift, 0.03, 0.97)
    stretch = 1 + knobs.time_spread * rng.uniform(-1, 1, 2)
    time = np.array([knobs.time1, knobs.time2]) * stretch
    return Parents(tuple(fraction.tolist()), tuple(time.tolist()))


def _with_gaps(
    tracts: list[list[Pieces]], knobs: Knobs, rng: np.random.Generator
) -> tuple[list[list[Pieces]], list[int]]:
    if knobs.clean:
        return tracts, [0, 0]
    plan = GapPlan(knobs.gaps, knobs.hidden, (knobs.gap_shortest, knobs.gap_longest), knobs.end_gap)
    made = [make_gaps(haplotype, plan, rng) for haplotype in tracts]
    return [called for called, _ in made], [hidden for _, hidden in made]


def _truth(whole: list[Pieces], called: list[Pieces], map_length: float) -> dict[str, float]:
    """The estimand: fraction over what is called, all switches, and the full map."""
    fraction = float(textbook.called_fraction([path(p) for p in called]))
    switches = int(textbook.count_switches([path(p) for p in whole]))
    time = float(textbook.switch_time(switches, fraction, map_length))
    return {"fraction": fraction, "switches": switches, "t": time}


def _answer(truth: list[dict[str, float]]) -> dict[str, float]:
    found = {}
    for parent, one in zip(("parent1", "parent2"), sorted(truth, key=_fraction), strict=True):
        found |= {f"{parent}_A_fraction": one["fraction"], f"{parent}_t": one["t"]}
    return found


def _fraction(one: dict[str, float]) -> float:
    return one["fraction"]


def _rows(
    called: list[list[Pieces]], inverted: np.ndarray, knobs: Knobs, rng: np.random.Generator
) -> pd.DataFrame:
    rows = [
        (h, c, p.start, p.end, 1 - p.label if inverted[c] else p.label, p.island)
        for h, haplotype in enumerate(called)
        for c, pieces in enumerate(haplotype)
        for p in pieces
    ]
    columns = ["hap", "chrom", "start_morgan", "end_morgan", "label", "island"]
    frame = pd.DataFrame(rows, columns=columns)
    frame["anc"] = LABELS[frame["label"]]
    return _with_quality(frame, knobs, rng)


def _with_quality(frame: pd.DataFrame, knobs: Knobs, rng: np.random.Generator) -> pd.DataFrame:
    """Islands are poor in both columns, some true tracts in one, and a few long ones in both."""
    n, island = len(frame), frame["island"].to_numpy()
    long = (frame["end_morgan"] - frame["start_morgan"]).to_numpy() > LONG
    poor = np.array([island, island])
    best = np.zeros((2, n), dtype=bool)
    if not knobs.clean:
        noisy = rng.permutation(np.flatnonzero(long & ~island))[: knobs.noisy]
        one_sided = np.flatnonzero(~island & (rng.random(n) < knobs.one_sided))
        side = rng.integers(2, size=one_sided.size)
        poor[side, one_sided] = True
        best[1 - side, one_sided] = True
        poor[:, noisy], best[:, noisy] = True, False
    doubt = 0.10 * rng.beta(1.2, 4, n) * np.where(best[0], 0.3, 1.0)
    share = 0.30 * rng.beta(2, 5, n) * np.where(best[1], 0.3, 1.0)
    posterior = np.where(poor[0], rng.uniform(0.5, 0.75, n), 1 - doubt)
    complexity = np.where(poor[1], rng.uniform(0.6, 0.95, n), share)
    unknown = ~island & (rng.random(n) < knobs.missing)
    for name, scale, values, end in (
        ("posterior", knobs.posterior, posterior, 1.0),
        ("low_complexity_frac", knobs.low_complexity, complexity, 0.0),
    ):
        frame[name] = np.where(unknown, np.nan, np.round(_scaled(values, scale, end), 4))
    return frame


def _scaled(values: np.ndarray, scale: str, end: float) -> np.ndarray:
    """Values drawn towards an end of their range, or all the same."""
    if scale == "constant":
        return np.full_like(values, end)
    return end + (values - end) * (0.1 if scale == "saturated" else 1.0)


def _map(lengths: list[float], knobs: Knobs, rng: np.random.Generator) -> pd.DataFrame:
    start = np.round(rng.uniform(0, 1, len(lengths)) * knobs.map_start, 3)
    chrom = [f"{knobs.prefix}{c + 1}" for c in range(len(lengths))]
    frame = pd.DataFrame({"chrom": chrom, "length_morgan": lengths, "start_morgan": start})
    return frame if knobs.map_start > 0 else frame.drop(columns="start_morgan")


def _released(
    segments: pd.DataFrame,
    chart: pd.DataFrame,
    names: list[str],
    knobs: Knobs,
    rng: np.random.Generator,
) -> dict[str, pd.DataFrame]:
    if knobs.map_start > 0:
        start = chart["start_morgan"].to_numpy()[segments["chrom"]]
        for column in ("start_morgan", "end_morgan"):
            segments[column] = np.round(segments[column] + start, 6)
    segments["chrom"] = chart["chrom"].to_numpy()[segments["chrom"]]
    segments["hap"] = np.array(names)[segments["hap"]]
    columns = [
        "chrom", "hap", "start_morgan", "end_morgan", "anc", "posterior", "low_complexity_frac",
    ]  # fmt: skip
    if knobs.extra_columns:
        segments["n_snps"] = rng.integers(20, 4000, len(segments))
        columns.append("n_snps")
    if knobs.aliases:
        chart = chart.rename(columns={"length_morgan": "map_length_morgan"})
    tables = {"segments": segments[columns], "map_info": chart}
    if knobs.shuffle:
        tables = {
            name: frame.sample(frac=1, random_state=rng).sample(frac=1, axis=1, random_state=rng)
            for name, frame in tables.items()
        }
    return tables
