"""The grid of wright_fisher, and peers, against exact log-likelihoods."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.options import Options
from benchmarks.peers import Absent, ask
from benchmarks.report import NO_TARGET, Verdict, at_most
from benchmarks.shares import wilson
from refsolve.core.rng import spawn
from refsolve.methods.wright_fisher import Samples, log_likelihood

GOLD = Path(__file__).resolve().parents[2] / "tests" / "gold" / "wright_fisher"
EXACT_TARGET, GRID_TARGET = 1e-10, 0.1  # log units, for |s| ≤ NEAR
NEAR = 0.1
PEERS = ("bmws", "diplo_locus")
DIPLO_EVERY = 20  # every 20th value of s: a second per value
SEED = 2024


@dataclass(frozen=True, slots=True)
class GoldRow:
    """One stored data set and one program.

    Attributes
    ----------
    data, program
        Name of the data, and who computed.
    gap
        Largest difference to the exact log-likelihood for |s| ≤ 0.1.
    gap_shape
        The same when both curves are set to zero at s = 0.
    gap_wide
        As `gap`, for |s| ≤ 0.2.
    within_bar
        Share of the values of s where the difference is within the error that the program reports;
        NaN where it reports none.
    verdict
        Against the target for `gap`.
    """

    data: str
    program: str
    gap: float
    gap_shape: float
    gap_wide: float
    within_bar: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class BarRow:
    """The reported error of the grid against the chain on counts, over random designs.

    Attributes
    ----------
    region
        Values of s compared.
    comparisons, violations
        Values of s over all designs, and those where the difference exceeds the reported error.
    designs_violated, designs
        Designs with a violation, and all.
    high
        Upper bound, 95 %, of the share of designs with a violation.
    largest_gap, largest_excess
        Log units: largest difference, and largest difference beyond the reported error.
    median_bar_over_gap
        How cautious the bar is.
    verdict
        No violation expected.
    """

    region: str
    comparisons: int
    violations: int
    designs_violated: int
    designs: int
    high: float
    largest_gap: float
    largest_excess: float
    median_bar_over_gap: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class _Case:
    name: str
    generation: np.ndarray
    derived: np.ndarray
    total: np.ndarray
    sizes: np.ndarray
    exact: np.ndarray
    h: float
    e_ad: float
    e_da: float
    start: str

    def start_pmf(self) -> str | np.ndarray:
        M = int(self.sizes[0])
        if self.start == "uniform":
            return "uniform"
        pmf = np.zeros(M + 1)
        if self.start == "uniform_seg":
            pmf[1:-1] = 1.0 / (M - 1)
        else:
            pmf[round(float(self.start) * M)] = 1.0
        return pmf


def _cases() -> tuple[np.ndarray, list[_Case]]:
    with (GOLD / "wf_exact_oracle_meta.csv").open(encoding="utf-8", newline="") as lines:
        meta = {row["name"]: row for row in csv.DictReader(lines)}
    with np.load(GOLD / "wf_exact_oracle.npz") as stored:
        cases = []
        for name, row in meta.items():
            values = {key: stored[f"{name}__{key}"] for key in ("times", "d", "n", "two_n", "ll")}
            sizes = np.broadcast_to(values["two_n"], (int(values["times"].max()) + 1,))
            start = row["x0"] if row["init"] == "point" else row["init"]
            cases.append(
                _Case(
                    name,
                    values["times"],
                    values["d"],
                    values["n"],
                    sizes.astype(float),
                    values["ll"],
                    float(row["h"]),
                    float(row["e01"]),
                    float(row["e10"]),
                    start,
                )
            )
        return stored["s_grid"], cases


def gold_rows(options: Options) -> tuple[list[GoldRow], list[str]]:
    """Every program on every stored data set that it can treat."""
    s, cases = _cases()
    rows = [row for case in cases for row in _ours(case, s)]
    for name in PEERS:
        rows += _stored(name, s, cases)
    notes = []
    for name in PEERS:
        plain = [c for c in cases if (c.h, c.e_ad, c.e_da, c.start) == (0.5, 0, 0, "uniform")]
        try:
            rows += [
                _live(name, case, s)
                for case in plain[: 2 if options.quick else None]
                if name != "diplo_locus" or np.ptp(case.sizes) == 0
            ]
        except Absent as absent:
            notes.append(str(absent))
    return rows, notes


def _ours(case: _Case, s: np.ndarray) -> Iterator[GoldRow]:
    samples = Samples(case.generation, case.derived, case.total, e_ad=case.e_ad, e_da=case.e_da)
    for mode, target in (("exact", EXACT_TARGET), ("grid", GRID_TARGET)):
        curve = log_likelihood(
            samples, case.sizes, s, h=case.h, ploidy="diploid", start=case.start_pmf(), mode=mode
        )
        gap = np.abs(curve.log_likelihood - case.exact)
        inside = float(np.mean(gap <= curve.error))
        yield _gold_row(case, f"refsolve, {mode}", s, curve.log_likelihood, inside, target)


def _stored(name: str, s: np.ndarray, cases: list[_Case]) -> list[GoldRow]:
    if name != "bmws":  # the stored values of diplo-locus are of other data
        return []
    with np.load(GOLD / "bmws_0.1.0.npz") as stored:
        return [
            _gold_row(case, "bmws 0.1.0, stored", s, stored[case.name], float("nan"), None)
            for case in cases
            if case.name in stored
        ]


def _live(name: str, case: _Case, s: np.ndarray) -> GoldRow:
    step = DIPLO_EVERY if name == "diplo_locus" else 1
    chosen = slice(0, None, step)
    reply = ask(
        name, generation=case.generation, derived=case.derived[None], total=case.total[None],
        sizes=case.sizes, s=s[chosen], repeats=1,
    )  # fmt: skip
    program = f"{name} {reply.version}, this run" + (f", every {step}th s" if step > 1 else "")
    part = _Case(**{f: getattr(case, f) for f in case.__slots__} | {"exact": case.exact[chosen]})
    return _gold_row(part, program, s[chosen], reply.log_likelihood[0], float("nan"), None)


def _gold_row(
    case: _Case,
    program: str,
    s: np.ndarray,
    ll: np.ndarray,
    within_bar: float,
    target: float | None,
) -> GoldRow:
    near, zero = np.abs(s) <= NEAR + 1e-9, int(np.argmin(np.abs(s)))
    gap = np.abs(ll - case.exact)
    shape = np.abs((ll - ll[zero]) - (case.exact - case.exact[zero]))
    worst = float(gap[near].max())
    verdict = NO_TARGET if target is None else at_most(worst, target, "log units")
    return GoldRow(
        case.name, program, worst, float(shape[near].max()), float(gap.max()), within_bar, verdict
    )


def bar_rows(n: int, options: Options) -> list[BarRow]:
    """Random designs: grid against counts, near the maximum and everywhere."""
    found = sorted(options.map_(_compare, enumerate(spawn(SEED, n))), key=lambda row: row[0])
    gap, bar, below = (np.array([row[i] for row in found]) for i in (1, 2, 3))
    plausible = below < 10.0
    return [
        _bar_row("within 10 log units of the maximum", gap, bar, plausible),
        _bar_row("all |s| ≤ 0.1", gap, bar, np.ones_like(plausible)),
    ]


def _compare(
    task: tuple[int, np.random.SeedSequence],
) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """Difference, reported error, and distance below the maximum, at 17 values of s."""
    index, seed = task
    rng = np.random.default_rng(seed)
    T, s = int(rng.integers(5, 80)), np.linspace(-NEAR, NEAR, 17)
    pieces = rng.integers(20, 400, rng.integers(1, 5))
    sizes = np.resize(np.repeat(pieces, -(-(T + 1) // pieces.size)), T + 1).astype(float)
    generation = np.sort(rng.choice(T + 1, int(rng.integers(2, 6)), replace=False))
    total = rng.integers(0, 10 ** rng.uniform(0.5, 2.5), generation.size)
    derived = rng.binomial(total, np.clip(rng.uniform() + rng.normal(0, 0.1, total.size), 0, 1))
    e_ad, e_da = rng.choice([0.0, 0.01, 0.1], 2)
    samples = Samples(generation, derived, total, e_ad=e_ad, e_da=e_da)
    h, ploidy = float(rng.uniform(-0.5, 1.5)), str(rng.choice(["haploid", "diploid"]))
    exact = log_likelihood(samples, sizes, s, h=h, ploidy=ploidy, mode="exact").log_likelihood
    grid = log_likelihood(samples, sizes, s, h=h, ploidy=ploidy, mode="grid")
    return index, np.abs(grid.log_likelihood - exact), grid.error, exact.max() - exact


def _bar_row(region: str, gap: np.ndarray, bar: np.ndarray, where: np.ndarray) -> BarRow:
    bad = (gap > bar) & where
    violated = int(bad.any(axis=1).sum())
    excess = float(np.where(where, gap - bar, -np.inf).max())
    high = wilson(violated, gap.shape[0])[1]
    verdict = at_most(int(bad.sum()), 0, "violations")
    return BarRow(
        region,
        int(where.sum()),
        int(bad.sum()),
        violated,
        gap.shape[0],
        high,
        float(gap[where].max()),
        max(excess, 0.0),
        float(np.median(bar[where] / np.maximum(gap[where], 1e-300))),
        verdict,
    )
