"""A second generator, written from the contract page alone, and cases with known damage.

It shares nothing with the generator of the solver: the LD is that of real haplotypes, which copy
each other; the disease study has its own frequencies; files are written by hand.
"""

from __future__ import annotations

import gzip
import math
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
PROBLEM = Problem(ROOT / "solvers" / "cis_mvmr", "checkout")

Tables = dict[str, Any]
EXPOSURES = tuple(f"protein_PROT{p}_phase{k}" for p in "AB" for k in (1, 2))
DISEASE = "disease_association"
STUDIES = (*EXPOSURES, DISEASE)
LD, META = "locus_correlation_EUR", "variant_metadata"
WHAT, MEASURED = "dataset_metadata", "protein_measurements"
PARTNER = {"A": "T", "T": "A", "C": "G", "G": "C"}
IN_UNIT = {"log10": 1.0, "ln": math.log(10), "log2": math.log2(10)}


@dataclass(frozen=True)
class Made:
    """Files of a case by stem, and the truth."""

    tables: Tables
    theta: tuple[float, float]
    direct: tuple[str, ...]


def make(
    seed: int = 1,
    *,
    theta: tuple[float, float] = (0.3, 0.22),
    variants: int = 60,
    jumps: float = 0.15,
    people: tuple[int, int, int] = (20_000, 60_000, 500_000),
    sd: tuple[float, float] = (0.3, 0.45),
    units: tuple[str, str, str, str] = ("log10", "log10", "log10", "log10"),
    direct: int = 0,
    size: float = 0.03,
    spread: bool = False,
    dirty: bool = True,
    failed: Mapping[str, float] | None = None,
    batches: int = 6,
    samples: int = 6000,
) -> Made:
    """A case; `failed` maps a batch to the factor of its spread."""
    rng = np.random.default_rng([seed, 77])
    haplotypes = _haplotypes(variants, jumps, rng)
    r = np.corrcoef(haplotypes.T)
    f = haplotypes.mean(axis=0)
    b = np.zeros((variants, 2))
    for k in range(2):
        b[rng.choice(variants, 8, replace=False), k] = rng.normal(size=8)
    b[:, 1] += 0.4 * b[:, 0]
    b *= np.sqrt(0.12 / np.einsum("jk,ji,ik->k", b, r, b))
    marginal = r @ b
    past = np.zeros(variants)
    strongest = np.argsort(-np.abs(marginal).max(axis=1))[:direct]
    past[strongest] = size * np.sign(marginal[strongest].sum(axis=1))
    outcome = marginal @ np.array(theta) + (r @ past if spread else past)
    values, vectors = np.linalg.eigh(r)
    root = vectors * np.sqrt(np.maximum(values, 0))
    snp = np.array([f"rs{1000 + 7 * j}" for j in range(variants)])
    position = 5_000_000 + 900 * np.arange(variants)
    pairs = _pairs(variants, rng, palindromes=dirty)
    tables: Tables = {}
    means = [marginal[:, 0], marginal[:, 0], marginal[:, 1], marginal[:, 1], outcome]
    sizes = [people[0], people[1], people[0], people[1], people[2]]
    scales = [1.0 if u == "sd" else sd[k // 2] * IN_UNIT[u] for k, u in enumerate(units)]
    for name, mean, n, scale in zip(STUDIES, means, sizes, [*scales, 1.0], strict=True):
        z = mean * np.sqrt(n) + root @ rng.normal(size=variants)
        se = scale / np.sqrt(2 * f * (1 - f) * n)
        tables[name] = _study(snp, position, pairs, f, z, se, rng, dirty=dirty)
    ref, alt = pairs
    tables[META] = pd.DataFrame(
        {"snp": snp, "pos_bp": position, "ref_allele": ref, "alt_allele": alt}
    )
    tables[LD] = {"correlation": r, "snp": snp}
    tables[WHAT] = _what(sizes, units)
    tables[MEASURED] = _measured(sd, batches, samples, dict(failed or {}), rng)
    return Made(tables, theta, tuple(snp[strongest]))


def _what(sizes: list[int], units: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "dataset": STUDIES,
            "protein": ["PROTA", "PROTA", "PROTB", "PROTB", "disease"],
            "phase": ["1", "2", "1", "2", ""],
            "n": sizes,
            "unit": [*units, "log_or"],
            "ancestry": "EUR",
        }
    )


def _haplotypes(n: int, jumps: float, rng: np.random.Generator) -> np.ndarray:
    """Mosaics of 40 ancestors, with some mutations since."""
    ancestors = rng.random((40, n)) < rng.uniform(0.15, 0.85, n)
    people = np.empty((3000, n), dtype=bool)
    for row in people:
        source, here = rng.integers(40), np.empty(n, dtype=np.int64)
        jump = rng.random(n) < jumps
        for j in range(n):
            source = rng.integers(40) if jump[j] else source
            here[j] = source
        row[:] = ancestors[here, np.arange(n)]
    return (people ^ (rng.random(people.shape) < 0.02)).astype(np.float64)


def _pairs(n: int, rng: np.random.Generator, *, palindromes: bool) -> tuple[np.ndarray, np.ndarray]:
    ref = rng.choice(list("ACGT"), n)
    alt = []
    for j, base in enumerate(ref):
        partner = PARTNER[base]
        others = [a for a in "ACGT" if a not in (base, partner)]
        alt.append(partner if palindromes and j % 10 == 4 else str(rng.choice(others)))
    return ref, np.array(alt)


def _study(
    snp: np.ndarray,
    position: np.ndarray,
    pairs: tuple[np.ndarray, np.ndarray],
    f: np.ndarray,
    z: np.ndarray,
    se: np.ndarray,
    rng: np.random.Generator,
    *,
    dirty: bool,
) -> pd.DataFrame:
    ref, alt = pairs
    swap = (rng.random(snp.size) < 0.5) & dirty
    strand = (rng.random(snp.size) < 0.1) & dirty
    effect, other = np.where(swap, ref, alt), np.where(swap, alt, ref)
    turned = [np.array([PARTNER[a] for a in side]) for side in (effect, other)]
    seen = np.clip(f + rng.normal(0, 0.003, snp.size), 0.01, 0.99)
    return pd.DataFrame(
        {
            "snp": snp,
            "pos_bp": position,
            "effect_allele": np.where(strand, turned[0], effect),
            "other_allele": np.where(strand, turned[1], other),
            "eaf": np.where(swap, 1 - seen, seen),
            "beta": np.where(swap, -1, 1) * z * se,
            "se": se,
            "pval": [math.erfc(abs(x) / math.sqrt(2)) for x in z],
        }
    )


def _measured(
    sd: tuple[float, float],
    batches: int,
    samples: int,
    failed: dict[str, float],
    rng: np.random.Generator,
) -> pd.DataFrame:
    frames = []
    for protein, one in zip(("PROTA", "PROTB"), sd, strict=True):
        batch = np.array([f"b{k}" for k in rng.integers(batches, size=samples)])
        factor = np.array([failed.get(b, 1.0) for b in batch])
        shift = dict(zip(sorted(set(batch)), rng.normal(0, 0.05, batches), strict=False))
        value = 2 + np.array([shift[b] for b in batch]) + one * factor * rng.normal(size=samples)
        frames.append(
            pd.DataFrame(
                {
                    "sample_id": [f"P{i}" for i in range(samples)],
                    "protein": protein,
                    "batch": batch,
                    "log10_concentration": value,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


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


def with_cell(tables: Tables, name: str, index: int, column: str, value: Any) -> Tables:
    """The tables with one field changed; record `index` stands in line `index` + 2."""
    frame = tables[name].astype({column: object}).copy()
    frame.loc[index, column] = value
    return {**tables, name: frame}


def with_table(tables: Tables, name: str, change: Callable[[Any], Any]) -> Tables:
    """The tables with one of them changed."""
    return {**tables, name: change(tables[name])}


def errors(outcome: Outcome, made: Made) -> np.ndarray:
    """Estimates minus truth."""
    return np.array([outcome.answer[f"theta_PROT{p}"] for p in "AB"]) - np.array(made.theta)
