"""Cases made from the contract page alone: by hand, and drawn with a generator of their own.

Nothing of the shipped generator is used: haplotypes are drawn as breakpoints with an ancestor
each, artefacts are written over rows, and the truth is counted here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from refsolve.contract.discovery import Problem
from refsolve.contract.grading import judge
from refsolve.contract.outcome import Case, Outcome
from refsolve.contract.published import spec_rules
from refsolve.contract.solving import open_case, solve_case

ROOT = Path(__file__).resolve().parents[3]
PROBLEM = Problem(ROOT / "solvers" / "admixture_pulse", "checkout")

Tables = dict[str, pd.DataFrame]
Answer = dict[str, float]
COLUMNS = [
    "chrom", "hap", "start_morgan", "end_morgan", "anc", "posterior", "low_complexity_frac",
]  # fmt: skip


def plain() -> Tables:
    """Three chromosomes by hand; h1 is three tenths A and switches 6 times, h2 five eighths and 6.

    Row numbers are easy: h1 has the lines 2 to 10, h2 the lines 11 to 19.
    """
    one = [("1", 0, 0.5, "B"), ("1", 0.5, 0.9, "A"), ("1", 0.9, 2.0, "B"),
           ("2", 0, 0.4, "A"), ("2", 0.4, 1.2, "B"), ("2", 1.2, 1.5, "A"),
           ("3", 0, 0.7, "B"), ("3", 0.7, 1.1, "A"), ("3", 1.1, 1.5, "B")]  # fmt: skip
    two = [("1", 0, 0.9, "A"), ("1", 0.9, 1.3, "B"), ("1", 1.3, 2.0, "A"),
           ("2", 0, 0.6, "A"), ("2", 0.6, 1.1, "B"), ("2", 1.1, 1.5, "A"),
           ("3", 0, 0.6, "B"), ("3", 0.6, 1.125, "A"), ("3", 1.125, 1.5, "B")]  # fmt: skip
    rows = [
        (c, h, a, b, anc, 0.97, 0.1)
        for h, tracts in (("h1", one), ("h2", two))
        for c, a, b, anc in tracts
    ]
    chart = pd.DataFrame({"chrom": ["1", "2", "3"], "length_morgan": [2.0, 1.5, 1.5]})
    return {"segments": pd.DataFrame(rows, columns=COLUMNS), "map_info": chart}


@dataclass(frozen=True)
class Recipe:
    """What a drawn case is like."""

    lengths: tuple[float, ...] = (2.1, 1.9, 1.7, 1.5, 1.2, 1.0, 0.8)
    fraction: tuple[float, float] = (0.2, 0.85)
    time: tuple[float, float] = (9.0, 6.0)
    inverted: tuple[int, ...] = (3,)
    islands: int = 10
    pairs: bool = False
    island_morgan: tuple[float, float] = (0.002, 0.015)
    gaps: int = 6
    gap_morgan: tuple[float, float] = (0.02, 0.1)
    true_posterior: tuple[float, float] = (0.9, 1.0)
    false_posterior: tuple[float, float] = (0.5, 0.75)
    true_complexity: tuple[float, float] = (0.0, 0.3)
    false_complexity: tuple[float, float] = (0.55, 0.95)
    decoys: bool = True
    names: tuple[str, str] = ("h1", "h2")
    prefix: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


def drawn(seed: int, recipe: Recipe | None = None) -> tuple[Tables, Answer]:
    """A case and its truth."""
    rng, recipe = np.random.default_rng(seed), recipe or Recipe()
    while True:
        rows = [
            (h, c, *tract)
            for h in (0, 1)
            for c, length in enumerate(recipe.lengths)
            for tract in _tracts(recipe.fraction[h], recipe.time[h], length, rng)
        ]
        latent = pd.DataFrame(rows, columns=["h", "c", "start", "end", "a"])
        if (_switches(latent) > 0).all():
            break
    called = _without_gaps(latent, recipe, rng)
    truth = _truth(latent, called, sum(recipe.lengths))
    spoilt = _with_islands(called.assign(false=False), recipe, rng)
    exchanged = spoilt["c"].isin(recipe.inverted)
    spoilt["a"] = spoilt["a"] ^ exchanged
    return _tables(spoilt, recipe, rng), truth


def _tracts(
    m: float, t: float, length: float, rng: np.random.Generator
) -> list[tuple[float, float, bool]]:
    cuts = np.r_[0, np.sort(rng.uniform(0, length, rng.poisson(t * length))), length]
    cuts = np.unique(np.round(cuts, 5))
    ancestor = rng.random(cuts.size - 1) < m
    keep = np.r_[True, ancestor[1:] != ancestor[:-1]]
    starts = cuts[:-1][keep]
    ends = np.r_[starts[1:], length]
    return list(zip(starts.tolist(), ends.tolist(), ancestor[keep].tolist(), strict=True))


def _switches(frame: pd.DataFrame) -> pd.Series:
    same = (frame[["h", "c"]] == frame[["h", "c"]].shift()).all(axis=1)
    return (same & (frame["a"] != frame["a"].shift())).groupby(frame["h"]).sum()


def _truth(latent: pd.DataFrame, called: pd.DataFrame, total: float) -> Answer:
    width = called["end"] - called["start"]
    span = width.groupby(called["h"]).sum()
    m = width.where(called["a"].astype(bool), 0.0).groupby(called["h"]).sum() / span
    t = _switches(latent) / (2 * m * (1 - m) * total)
    low = int(m.idxmin())
    order = {"parent1": low, "parent2": 1 - low}
    return {
        key: float(value[h])
        for p, h in order.items()
        for key, value in ((f"{p}_A_fraction", m), (f"{p}_t", t))
    }


def _without_gaps(frame: pd.DataFrame, recipe: Recipe, rng: np.random.Generator) -> pd.DataFrame:
    """Gaps over boundaries and within tracts; a tract keeps a third of its length at least."""
    rows = frame.to_dict("records")
    for i in rng.permutation(len(rows) - 1)[: 2 * recipe.gaps].tolist():
        row, after = rows[i], rows[i + 1]
        width = min(rng.uniform(*recipe.gap_morgan) / 2, (row["end"] - row["start"]) / 3)
        row["end"] = round(row["end"] - width, 5)
        if (row["h"], row["c"]) == (after["h"], after["c"]):
            width = min(rng.uniform(*recipe.gap_morgan) / 2, (after["end"] - after["start"]) / 3)
            after["start"] = round(after["start"] + width, 5)
    return pd.DataFrame(rows)


def _with_islands(frame: pd.DataFrame, recipe: Recipe, rng: np.random.Generator) -> pd.DataFrame:
    rows = frame.to_dict("records")
    made = tries = 0
    while made < recipe.islands:
        tries += 1
        assert tries < 10_000, "no room for islands"
        width = rng.uniform(*recipe.island_morgan)
        base = rows[int(rng.integers(len(rows)))]
        low = round(rng.uniform(base["start"], base["end"]), 5)
        high = round(low + width, 5)
        hit = [
            r
            for r in rows
            if r["c"] == base["c"] and r["start"] < low - 0.01 and r["end"] > high + 0.01
        ]
        hit = [r for r in hit if not r["false"] and (recipe.pairs or r["h"] == base["h"])]
        if len(hit) != 1 + recipe.pairs:
            continue
        for r in hit:
            rows.remove(r)
            rows += [{**r, "end": low}, {**r, "start": high}]
            rows.append({**r, "start": low, "end": high, "a": not r["a"], "false": True})
            made += 1
    return pd.DataFrame(rows).sort_values(["h", "c", "start"], ignore_index=True)


def _tables(frame: pd.DataFrame, recipe: Recipe, rng: np.random.Generator) -> Tables:
    n, false = len(frame), frame["false"].to_numpy(bool)
    good, bad = rng.uniform(*recipe.true_posterior, n), rng.uniform(*recipe.false_posterior, n)
    posterior = np.where(false, bad, good)
    good, bad = rng.uniform(*recipe.true_complexity, n), rng.uniform(*recipe.false_complexity, n)
    complexity = np.where(false, bad, good)
    if recipe.decoys:
        # Bad in one column and short, and bad in both columns and long: neither is an artefact.
        width = (frame["end"] - frame["start"]).to_numpy()
        short = np.flatnonzero(~false)[np.argsort(width[~false])[:4]]
        posterior[short[:2]] = recipe.false_posterior[0]
        complexity[short[2:]] = recipe.false_complexity[1]
        longest = np.argsort(np.where(false, 0, width))[-2:]
        posterior[longest], complexity[longest] = (
            recipe.false_posterior[0],
            recipe.true_complexity[1],
        )
    segments = pd.DataFrame(
        {
            "chrom": [f"{recipe.prefix}{c + 1}" for c in frame["c"]],
            "hap": [recipe.names[h] for h in frame["h"]],
            "start_morgan": frame["start"],
            "end_morgan": frame["end"],
            "anc": np.where(frame["a"].astype(bool), "A", "B"),
            "posterior": posterior.round(4),
            "low_complexity_frac": complexity.round(3),
        }
    )
    names = [f"{recipe.prefix}{c + 1}" for c in range(len(recipe.lengths))]
    chart = pd.DataFrame({"chrom": names, "length_morgan": recipe.lengths})
    return {"segments": segments, "map_info": chart}


def opened(folder: Path, tables: Tables, *, missing: str = "NA", **parameters: Any) -> Case:
    """The tables as a case in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in tables.items():
        frame.to_csv(folder / f"{name}.tsv.gz", sep="\t", index=False, na_rep=missing)
    return open_case(PROBLEM, folder, parameters)


def solved(folder: Path, tables: Tables, **path: str) -> Outcome:
    """The tables solved along a path."""
    return solve_case(PROBLEM, opened(folder, tables), path)


def passes(outcome: Outcome, truth: Answer) -> bool:
    """Whether an answer is within the tolerances of the page."""
    return bool(judge(PROBLEM.name, outcome.answer, spec_rules(PROBLEM.spec, truth, {})).passed)


def with_cell(tables: Tables, name: str, index: int, column: str, value: Any) -> Tables:
    """The tables with one field changed; record `index` stands in line `index` + 2."""
    frame = tables[name].astype({column: object})
    frame.loc[index, column] = value
    return {**tables, name: frame}
