"""A second generator, written from the contract page alone, and cases with known damage.

It shares nothing with the generator of the solver: lines come from real crosses, of two founders,
four, eight, then selfing, each with an order of the founders of its own; files are written by hand.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from refsolve.contract.discovery import Problem
from refsolve.contract.outcome import Case, Outcome
from refsolve.contract.solving import open_case, solve_case

ROOT = Path(__file__).resolve().parents[3]
PROBLEM = Problem(ROOT / "solvers" / "founder_qtl", "checkout")

Tables = dict[str, Any]
MAP, ALLELES, CALLS, TRAITS = "markers", "founders", "ril_genotypes", "phenotypes"
FOUNDERS = [f"F{k}" for k in range(1, 9)]


@dataclass(frozen=True)
class Recipe:
    """What a case is like; effects in SDs of the residuals, places in cM."""

    lines: int = 300
    markers: int = 50
    chromosomes: int = 2
    length: float = 100.0
    selfing: int = 7
    intercross: int = 4
    qtl: float = 48.0
    high: int = 4
    effect: float = 3.0
    others: float = 0.2
    flipped: str = "several"
    twin: float = 0.0
    monomorphic: float = 0.05
    error: float = 0.005
    missing: float = 0.03
    batches: tuple[str, ...] = ("1", "2", "3", "4")
    batch_effect: float = 5.0
    batch_at: float = 72.0
    confounded: float = 0.9
    covariates: int = 1
    unmeasured: int = 3
    prefix: str = ""
    low: bool = False


@dataclass(frozen=True)
class Made:
    """Files of a case by stem, and the truth."""

    tables: Tables
    position: float
    founder: str
    flipped: tuple[str, ...]


def make(seed: int = 1, recipe: Recipe | None = None) -> Made:
    """A case."""
    it = recipe or Recipe()
    rng = np.random.default_rng([seed, 4711])
    chrom, pos = _map(it, rng)
    alleles = rng.integers(2, size=(pos.size, 8))
    alleles[rng.random(pos.size) < it.monomorphic] = 0
    if it.twin:
        close = (chrom == 0) & (np.abs(pos - it.qtl) < it.twin)
        alleles[close, (it.high + 1) % 8] = alleles[close, it.high]
    founder, at_qtl, at_batch = _population(it, chrom, pos, rng)
    calls = alleles[np.arange(pos.size), founder]
    calls = np.where(rng.random(calls.shape) < it.error, 1 - calls, calls)
    calls = np.where(rng.random(calls.shape) < it.missing, -1, calls)
    flips = _flips(it, chrom, pos, rng)
    alleles[flips] = 1 - alleles[flips]
    marker = np.array([f"SNP_{k:04d}" for k in rng.permutation(pos.size)])
    line = np.array([f"L{k:03d}" for k in range(it.lines)])
    tables = {
        MAP: pd.DataFrame(
            {"marker_id": marker, "chr": [f"{it.prefix}{c + 1}" for c in chrom], "pos_cM": pos}
        ),
        ALLELES: pd.DataFrame(alleles, columns=FOUNDERS).assign(marker_id=marker),
        CALLS: {"genotypes": calls.astype(np.int8), "line_id": line, "marker_id": marker},
        TRAITS: _traits(it, line, at_qtl, at_batch, rng),
    }
    return Made(mixed(tables, rng), it.qtl, FOUNDERS[it.high], tuple(sorted(marker[flips])))


def _map(it: Recipe, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    chrom = np.repeat(np.arange(it.chromosomes), it.markers)
    pos = np.round(rng.uniform(0, it.length, chrom.size), 2)
    order = np.lexsort([pos, chrom])
    return chrom[order], pos[order]


def _population(
    it: Recipe, chrom: np.ndarray, pos: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Founders at the markers, at the QTL, and where the batch is told."""
    c = np.r_[chrom, 0, 0]
    x = np.r_[pos, it.qtl, it.batch_at]
    order = np.lexsort([x, c])
    jump = 0.5 * (1 - np.exp(-2 * np.abs(np.diff(x[order], prepend=-np.inf)) / 100))
    jump[np.diff(c[order], prepend=-1) != 0] = 0.5

    def gamete(one: np.ndarray, two: np.ndarray) -> np.ndarray:
        side = (rng.random(one.shape) < jump).cumsum(axis=1) % 2
        return np.where(side == 0, one, two)

    funnel = rng.permuted(np.tile(np.arange(8), (it.lines, 1)), axis=1)
    parents = [np.repeat(funnel[:, [k]], x.size, axis=1) for k in range(8)]
    while len(parents) > 1:
        pairs = list(zip(parents[::2], parents[1::2], strict=True))
        if len(pairs) == 1:
            break
        parents = [gamete(one, two) for one, two in pairs]
    one, two = parents
    for _ in range(it.intercross):
        mate = rng.permutation(it.lines)
        one, two = gamete(one, two), gamete(one[mate], two[mate])
    for _ in range(it.selfing):
        one, two = gamete(one, two), gamete(one, two)
    founder = np.empty_like(one)
    founder[:, order] = one
    return founder[:, :-2], founder[:, -2], founder[:, -1]


def _flips(it: Recipe, chrom: np.ndarray, pos: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    first = np.flatnonzero(chrom == 0)
    nearest = int(np.argmin(np.abs(pos[first] - it.qtl)))
    return np.sort(
        {
            "none": np.array([], dtype=int),
            "one": first[[nearest]],
            "several": rng.choice(pos.size, max(pos.size // 25, 2), replace=False),
            "adjacent": first[nearest - 1 : nearest + 2],
            "alternating": first[[nearest - 1, nearest + 1]],
            "ends": np.r_[first[:2], first[-1]],
        }[it.flipped]
    )


def _traits(
    it: Recipe, line: np.ndarray, at_qtl: np.ndarray, at_batch: np.ndarray, rng: Any
) -> pd.DataFrame:
    effect = it.others * rng.normal(size=8)
    effect[it.high] = it.effect
    code = rng.integers(len(it.batches), size=line.size)
    drawn = (at_batch == (it.high + 2) % 8) & (rng.random(line.size) < it.confounded)
    shift = rng.normal(0, 0.3, len(it.batches))
    if len(it.batches) > 1:
        code[drawn] = 1
        shift[1] = it.batch_effect
    frame = pd.DataFrame({"line_id": line})
    y = 20 + effect[at_qtl] + shift[code] + rng.normal(size=line.size)
    for k in range(it.covariates):
        frame[f"cov{k}"] = np.round(rng.gamma(4, 2, line.size), 3)
        y += 0.4 * frame[f"cov{k}"]
    frame["phenotype"] = np.round(-y if it.low else y, 4)
    frame["batch"] = np.array(it.batches)[code]
    frame.loc[frame.sample(it.unmeasured, random_state=rng).index, "phenotype"] = np.nan
    return frame


def mixed(tables: Tables, rng: np.random.Generator) -> Tables:
    """Rows and columns in another order, in every file in one of its own."""
    found: Tables = {}
    for name, table in tables.items():
        if isinstance(table, dict):
            rows, columns = (rng.permutation(size) for size in table["genotypes"].shape)
            found[name] = {
                "line_id": table["line_id"][rows],
                "marker_id": table["marker_id"][columns],
                "genotypes": table["genotypes"][np.ix_(rows, columns)],
            }
            continue
        shuffled = table.sample(frac=1, random_state=rng).sample(frac=1, axis=1, random_state=rng)
        found[name] = shuffled.reset_index(drop=True)
    return found


def save(folder: Path, tables: Tables, *, missing: str = "NA") -> Path:
    """The tables as released files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        if isinstance(table, dict):
            np.savez(folder / f"{name}.npz", **table)
            continue
        text = table.to_csv(sep="\t", index=False, na_rep=missing)
        (folder / f"{name}.tsv.gz").write_bytes(gzip.compress(text.encode()))
    return folder


def opened(folder: Path, tables: Tables, *, missing: str = "NA", **parameters: Any) -> Case:
    """The tables as a case in a folder."""
    return open_case(PROBLEM, save(folder, tables, missing=missing), parameters)


def solved(folder: Path, tables: Tables, **path: str) -> Outcome:
    """The tables solved along a path."""
    return solve_case(PROBLEM, opened(folder, tables), path)


def passes(outcome: Outcome, made: Made) -> bool:
    """Whether the answer is right."""
    near = abs(outcome.answer["qtl_pos_cM"] - made.position) <= 3.0
    return near and outcome.answer["high_founder"] == made.founder


def flips_of(outcome: Outcome) -> tuple[str, ...]:
    """Markers that were repaired."""
    return tuple(sorted(one["marker"] for one in outcome.decisions[1].facts["flipped"]))


def with_cell(tables: Tables, name: str, index: int, column: str, value: Any) -> Tables:
    """The tables with one field changed; record `index` stands in line `index` + 2."""
    frame = tables[name].astype({column: object}).copy()
    frame.loc[index, column] = value
    return {**tables, name: frame}


def with_table(tables: Tables, name: str, change: Callable[[Any], Any]) -> Tables:
    """The tables with one of them changed."""
    return {**tables, name: change(tables[name])}


def with_array(tables: Tables, **arrays: Any) -> Tables:
    """The tables with arrays of the archive replaced."""
    return {**tables, CALLS: {**tables[CALLS], **arrays}}
