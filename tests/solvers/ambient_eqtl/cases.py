"""A second generator, written from the contract page alone, and cases with known damage.

It shares nothing with the generator of the solver: counts of a cell are sums of two Poisson ones,
cells' sizes are gamma, contamination is beta, donors are gamma, the technical group is dealt out to
the genotypes by a table, and the latent truth has a regression of its own.
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
PROBLEM = Problem(ROOT / "solvers" / "ambient_eqtl", "checkout")
KEY = "beta_activated"

Tables = dict[str, pd.DataFrame]
GENES = ["HBB", "IFI6", "ISG15", "LST1", "CXCL10"]
SOUP = np.array([0.045, 0.006, 0.009, 0.004, 0.011])
RATES = np.array([[0.0, 0.0012, 0.002, 0.011], [0.0, 0.013, 0.016, 0.0025]])  # resting, activated


@dataclass(frozen=True)
class Made:
    """Files of a case by stem, the truth, and the technical group of donors."""

    tables: Tables
    beta: float
    latent: float
    group: dict[str, int]

    @property
    def truth(self) -> float:
        """The parameter of large cases, else the estimate on native counts."""
        cells = self.tables["cells"]
        large = cells["total_umi"].mean() >= 4500 and cells.groupby("donor").size().median() >= 40
        return self.beta if large else self.latent


@dataclass(frozen=True)
class People:
    """Donors: regressors, and what their cells are drawn from."""

    names: list[str]
    g: np.ndarray
    group: np.ndarray
    rho: np.ndarray
    age: np.ndarray
    bmi: np.ndarray
    male: np.ndarray
    log_rate: np.ndarray
    share: np.ndarray
    cells: np.ndarray


def make(
    seed: int = 1,
    *,
    umi: float = 1500,
    beta: float = -0.5,
    resting: float = 0.4,
    soup: np.ndarray = SOUP,
    drops: int = 2000,
    **options: Any,
) -> Made:
    """A case; `options` are those of the donors."""
    rng = np.random.default_rng([seed, 4711])
    people = _people(rng, **options)
    code = np.repeat(np.arange(people.g.size), people.cells)
    state = rng.random(code.size) < people.share[code]
    total = 50 + rng.gamma(12, umi / 12, code.size).astype(int)
    rho = people.rho[code]
    leak = np.clip(rng.beta(rho * 60, (1 - rho) * 60), 0, 0.5) if rho.any() else 0.0
    native = total * (1 - leak)
    rates = np.column_stack([RATES[state.astype(int)], np.zeros(code.size)])
    slope = np.where(state, beta, resting) * people.g[code]
    rates[:, 4] = np.exp(people.log_rate[code] + slope) * np.where(state, 1.0, 0.25)
    own = rng.poisson(rates * native[:, None])
    frame = pd.DataFrame(own + rng.poisson(np.outer(total * leak, soup)), columns=GENES)
    frame.insert(0, "cell_id", [f"{k:05d}-1" for k in range(code.size)])
    frame.insert(1, "donor", np.array(people.names)[code])
    frame.insert(2, "total_umi", np.maximum(total, frame[GENES].sum(axis=1)))
    tables = {"cells": frame, "empty_drops": _droplets(drops, soup, rng)}
    n = people.g.size
    covariates = [people.group, people.male, people.age / 10, people.bmi / 4]
    x = np.column_stack([np.ones(n), people.g, *(c for c in covariates if np.ptp(c) > 0)])
    sums = [np.bincount(code[state], v[state], n) for v in (own[:, 4], native)]
    words = np.array(["F", "M"])[people.male]
    known = {"g": people.g, "sex": words, "age": people.age, "bmi": people.bmi}
    tables["donors"] = pd.DataFrame({"donor": people.names, **known})
    group = dict(zip(people.names, people.group.tolist(), strict=True))
    return Made(tables, beta, _moments(sums[0], x, sums[1]), group)


def _people(
    rng: np.random.Generator,
    *,
    donors: int = 24,
    cells: float = 40,
    group_rho: tuple[float, ...] = (0.07, 0.24),
    within: float = 150.0,
    lean: float = 0.8,
    batch: float = 0.5,
    dispersion: float = 0.02,
    rate: float = 0.011,
    active: tuple[float, float] = (6.0, 6.0),
    by_genotype: float = 0.1,
) -> People:
    """Donors; `within` is the precision of their contamination within a group."""
    g = rng.permutation(np.resize([0, 1, 1, 2, 0, 1, 2, 0], donors))
    chance = np.array([0.5 - lean / 2, 0.5, 0.5 + lean / 2])[g]
    places = np.argsort(-chance + 0.3 * rng.random(donors))
    group = np.zeros(donors, dtype=int)
    if len(group_rho) > 1:
        group[places[: donors // 2]] = 1
    level = np.array(group_rho)[group]
    rho = rng.beta(level * within, (1 - level) * within) if within else level
    names = [f"{k:02d}" for k in rng.permutation(donors) + 1]
    age, bmi = rng.uniform(20, 80, donors).round(), rng.gamma(60, 0.45, donors).round(2)
    male = rng.integers(2, size=donors)
    own = rng.gamma(1 / dispersion, dispersion, donors) if dispersion else np.ones(donors)
    log_rate = np.log(rate * own) + batch * group + 0.1 * male - 0.004 * (age - 50)
    share = np.clip(rng.beta(*active, donors) + by_genotype * (g - 1), 0.05, 0.95)
    per = 8 + rng.negative_binomial(2, 2 / (2 + max(cells - 8, 1e-9)), donors)
    return People(names, g, group, rho, age, bmi, male, log_rate, share, per)


def _droplets(n: int, soup: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    size = rng.integers(20, 90, n)
    frame = pd.DataFrame(rng.poisson(np.outer(size, soup)), columns=GENES)
    frame.insert(0, "barcode", [f"b{k}" for k in range(n)])
    frame.insert(1, "total_umi", np.maximum(size, frame[GENES].sum(axis=1)))
    return frame


def _moments(y: np.ndarray, x: np.ndarray, exposure: np.ndarray) -> float:
    """Slope of the genotype: reweighted least squares, variance mu + alpha mu^2 by moments."""
    there = exposure > 0
    y, x, exposure = y[there], x[there], exposure[there]
    alpha, b = 0.0, np.linalg.lstsq(x, np.log((y + 0.5) / exposure), rcond=None)[0]
    for _ in range(60):
        mu = exposure * np.exp(x @ b)
        w = mu / (1 + alpha * mu)
        working, root = x @ b + (y - mu) / mu, np.sqrt(w)
        b = np.linalg.lstsq(x * root[:, None], root * working, rcond=None)[0]
        mu = exposure * np.exp(x @ b)
        excess = ((y - mu) ** 2 - mu).sum() * y.size / max(y.size - x.shape[1], 1)
        alpha = max(0.5 * alpha + 0.5 * excess / (mu**2).sum(), 0.0)
    return float(b[1])


def save(folder: Path, tables: Tables, *, missing: str = "NA") -> Path:
    """The tables as released files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        text = table.to_csv(index=False, na_rep=missing)
        (folder / f"{name}.csv.gz").write_bytes(gzip.compress(text.encode()))
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


def with_table(tables: Tables, name: str, change: Callable[[pd.DataFrame], Any]) -> Tables:
    """The tables with one of them changed."""
    return {**tables, name: change(tables[name])}


def error(outcome: Outcome, made: Made) -> float:
    """Estimate minus truth."""
    return float(outcome.answer[KEY]) - made.truth


def facts(outcome: Outcome, key: str) -> dict[str, Any]:
    """Numbers behind one decision."""
    return next(item.facts for item in outcome.decisions if item.decision == key)
