"""A second generator, written from the contract page alone, and cases with known damage.

It shares nothing with the generator of the solver: whole symmetric matrices are filled chromosome
by chromosome, bins lose contacts each by their own share, and files are written by hand.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from refsolve.contract.discovery import Problem
from refsolve.contract.outcome import Case, Outcome
from refsolve.contract.solving import open_case, solve_case

ROOT = Path(__file__).resolve().parents[3]
PROBLEM = Problem(ROOT / "solvers" / "hic_loop", "checkout")

Tables = dict[str, pd.DataFrame]
BINS, COARSE_BINS = "bins_20kb", "bins_40kb"
CONTACTS, COARSE = "contacts_20kb", "contacts_40kb"
KEYS = ("case_loop_strength", "control_loop_strength", "delta_loop_strength")
# By condition: slope of log distance, slope of GC, strength of the loop (log2).
NATURE = {"case": (-1.05, 3.2, 1.9), "control": (-0.75, 2.0, -0.4)}


@dataclass(frozen=True)
class Made:
    """Files of a case by stem, the truth, and the names of the target's bins."""

    tables: Tables
    truth: dict[str, float]
    target: tuple[str, str]

    @property
    def parameters(self) -> dict[str, str]:
        """The target as parameters of the solver."""
        return dict(zip(("bin1", "bin2"), self.target, strict=True))


def make(
    seed: int = 1,
    *,
    bins: int = 24,
    target: tuple[int, int] = (8, 17),
    replicates: tuple[int, int] = (4, 3),
    low: Mapping[int, float] | None = None,
    rest: tuple[float, float] = (0.9, 1.0),
    stripes: tuple[tuple[str, int, float], ...] = (("case", 5, 2.0),),
    contacts: float = 2500.0,
    dispersion: float = 0.0005,
    loop: tuple[float, float] = (NATURE["case"][2], NATURE["control"][2]),
    name: Callable[[int], Any] = int,
    chromosomes: int = 1,
    listed: bool = False,
    dist_bin: bool = True,
) -> Made:
    """A case.

    `low` maps poor bins to their mappability, `stripes` are (condition, bin, factor), `contacts` is
    what the target would hold on average without a loop, and `name` turns a number into a bin_id.
    """
    rng = np.random.default_rng([seed, 911])
    low = {3: 0.55, 20: 0.62} if low is None else low
    count = bins * chromosomes
    gc, sites = rng.uniform(0.34, 0.52, count), rng.integers(2, 12, count)
    mappable = rng.uniform(*rest, count)
    mappable[list(low)] = list(low.values())
    rows: list[dict[str, Any]] = []
    strength: dict[str, list[float]] = {"case": [], "control": []}
    for condition, n in zip(("case", "control"), replicates, strict=True):
        slope, rise, _ = NATURE[condition]
        lost = np.ones(bins)
        harm = np.where(np.arange(bins) % 2, 0.35, 0.2)
        lost[list(low)] = harm[list(low)]
        for where, b, factor in stripes:
            lost[b] *= factor if where == condition else 1.0
        for r in range(n):
            depth, extra = rng.lognormal(0, 0.4), rng.normal(0, 0.3)
            for c in range(chromosomes):
                here = slice(c * bins, (c + 1) * bins)
                plain = _plain(slope, rise, gc[here], sites[here])
                plain *= depth * contacts / plain[target]
                mean = plain * np.outer(lost, lost) if c == 0 else plain.copy()
                mean[target] *= 2 ** (loop[condition == "control"] + extra) if c == 0 else 1
                size = 1 / dispersion
                seen = rng.negative_binomial(size, size / (size + mean))
                seen[target] = max(seen[target], 1)
                if c == 0:
                    strength[condition].append(float(np.log2(seen[target] / plain[target])))
                rows += _rows(seen, (condition, r + 1), c * bins, listed=listed)
    frame = pd.DataFrame(rows)
    each = {word: float(np.mean(values)) for word, values in strength.items()}
    tables = {
        BINS: _bins(bins, chromosomes, 20_000, gc, mappable, sites, name),
        COARSE_BINS: _halved(bins, chromosomes, gc, mappable, sites),
        CONTACTS: frame.assign(bin1=frame["bin1"].map(name), bin2=frame["bin2"].map(name)),
        COARSE: _summed(frame, bins),
    }
    if dist_bin:
        tables[CONTACTS]["dist_bin"] = frame["bin2"] - frame["bin1"]
    names = (str(name(target[0])), str(name(target[1])))
    answers = (each["case"], each["control"], each["case"] - each["control"])
    return Made(tables, dict(zip(KEYS, answers, strict=True)), names)


def _rows(
    seen: np.ndarray, sample: tuple[str, int], first: int, *, listed: bool
) -> list[dict[str, Any]]:
    """The upper triangle of one chromosome, row by row."""
    return [
        {
            "condition": sample[0],
            "replicate": sample[1],
            "bin1": int(a) + first,
            "bin2": int(b) + first,
            "count": int(seen[a, b]),
        }
        for a, b in zip(*np.triu_indices(len(seen)), strict=True)
        if seen[a, b] or listed
    ]


def _plain(slope: float, rise: float, gc: np.ndarray, sites: np.ndarray) -> np.ndarray:
    """The background of a chromosome, up to depth."""
    n = gc.size
    mean = np.empty((n, n))
    for a in range(n):
        for b in range(n):
            d = max(abs(a - b), 0.4)
            mean[a, b] = d**slope * np.exp(rise * (gc[a] + gc[b]) / 2)
            mean[a, b] *= np.exp(0.05 * (sites[a] + sites[b]) / 2)
    return mean


def _bins(
    bins: int,
    chromosomes: int,
    size: int,
    gc: np.ndarray,
    mappable: np.ndarray,
    sites: np.ndarray,
    name: Callable[[int], Any],
) -> pd.DataFrame:
    number = np.arange(bins * chromosomes)
    return pd.DataFrame(
        {
            "bin_id": [name(int(k)) for k in number],
            "chrom": [f"chr{k // bins + 1}" for k in number],
            "start": size * (number % bins) + 1_000_000,
            "end": size * (number % bins + 1) + 1_000_000,
            "gc_content": gc,
            "mappability": mappable,
            "re_sites": sites,
        }
    )


def _coarse(bins: int, number: Any) -> Any:
    """Coarse bin of a fine one; a chromosome begins with a bin of its own."""
    return number // bins * ((bins + 1) // 2) + number % bins // 2


def _halved(
    bins: int, chromosomes: int, gc: np.ndarray, mappable: np.ndarray, sites: np.ndarray
) -> pd.DataFrame:
    fine = pd.DataFrame({"gc": gc, "map": mappable, "sites": sites})
    coarse = fine.groupby(_coarse(bins, np.arange(len(fine)))).mean()
    half = (bins + 1) // 2
    columns = (coarse["gc"].to_numpy(), coarse["map"].to_numpy(), coarse["sites"].to_numpy())
    return _bins(half, chromosomes, 40_000, *columns, int)


def _summed(frame: pd.DataFrame, bins: int) -> pd.DataFrame:
    up = frame.assign(bin1=_coarse(bins, frame["bin1"]), bin2=_coarse(bins, frame["bin2"]))
    return up.groupby(["condition", "replicate", "bin1", "bin2"], as_index=False)["count"].sum()


def save(folder: Path, tables: Tables, *, missing: str = "NA") -> Path:
    """The tables as released files."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem, table in tables.items():
        text = table.to_csv(sep="\t", index=False, na_rep=missing)
        (folder / f"{stem}.tsv.gz").write_bytes(gzip.compress(text.encode(), 1))
    return folder


def opened(folder: Path, tables: Tables, *, missing: str = "NA", **parameters: Any) -> Case:
    """The tables as a case in a folder."""
    return open_case(PROBLEM, save(folder, tables, missing=missing), parameters)


def solved(folder: Path, made: Made, **path: str) -> Outcome:
    """A case solved along a path."""
    return solve_case(PROBLEM, opened(folder, made.tables, **made.parameters), path)


def with_cell(tables: Tables, stem: str, index: int, column: str, value: Any) -> Tables:
    """The tables with one field changed; record `index` stands in line `index` + 2."""
    frame = tables[stem].astype({column: object}).copy()
    frame.loc[index, column] = value
    return {**tables, stem: frame}


def with_table(tables: Tables, stem: str, change: Callable[[Any], Any]) -> Tables:
    """The tables with one of them changed."""
    return {**tables, stem: change(tables[stem])}


def errors(outcome: Outcome, made: Made) -> np.ndarray:
    """Estimates minus truth."""
    return np.array([outcome.answer[key] - made.truth[key] for key in KEYS])
