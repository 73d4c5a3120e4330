"""A second generator, written from the contract page alone, and cases with known damage.

It shares nothing with the generator of the solver: donors are draws of gamma profiles, cells are
multinomial, the annotation is made by hand, and the truth comes from the textbook.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from refsolve.contract.discovery import Problem
from refsolve.contract.outcome import Case, Outcome
from refsolve.contract.solving import open_case, solve_case
from refsolve.methods.pseudobulk.textbook import dispersion, moderated, quasi
from refsolve.methods.pseudobulk.textbook import normalisation as sizes

ROOT = Path(__file__).resolve().parents[3]
PROBLEM = Problem(ROOT / "solvers" / "donor_de", "checkout")

Array = np.ndarray
CONTROL, STIM = "healthy", "ill"


@dataclass(frozen=True)
class Made:
    """Cells, the question, and what the truth is computed from.

    Attributes
    ----------
    values
        (cells, genes).
    genes, obs, question
        Names, annotation, and the content of question.json.
    rows
        Cells that belong to the comparison.
    """

    values: Array
    genes: list[str]
    obs: pd.DataFrame
    question: dict[str, Any]
    rows: Array


def make(
    seed: int = 1,
    *,
    donors: tuple[int, int] = (3, 5),
    cells: tuple[int, int] = (20, 60),
    genes: int = 60,
    depth: int = 1200,
    changed: int = 8,
    fold: float = 4.0,
    batch: str | None = "balanced",
    sex: bool = False,
    age: bool = False,
    paired: bool = False,
    types: tuple[str, ...] = (),
    kind: str = "counts",
    donor_spread: float = 0.25,
) -> Made:
    """A case; the first `changed` genes differ, the last quarter has hardly any counts."""
    rng = np.random.default_rng([seed, 4321])
    profile = rng.gamma(2.0, 1.0, genes) + 0.2
    profile[-genes // 4 :] *= 2e-4
    effect = np.ones(genes)
    effect[:changed] = fold ** rng.choice([-1.0, 1.0], changed)
    shift = np.exp(0.5 * rng.normal(size=(2, genes)))
    n = (donors[0], donors[0]) if paired else donors
    own = rng.lognormal(0, donor_spread, (sum(n), genes))
    parts: list[Array] = []
    rows: list[dict[str, Any]] = []
    for group, word in enumerate((CONTROL, STIM)):
        for i in range(n[group]):
            who = i if paired else group * n[0] + i
            facts = {"donor": f"P{who}", "condition": word}
            facts |= _covariates(group, i, batch=batch, sex=sex, age=age)
            expected = profile * own[who] * (effect if group else 1.0)
            expected = expected * rng.lognormal(0, 0.05, genes)
            if batch:
                expected = expected * shift[int(facts["batch"][-1])]
            size = int(rng.integers(cells[0], cells[1] + 1))
            for one in types or ("",):
                weights = expected if one in ("", *types[:1]) else expected[::-1]
                parts.append(rng.multinomial(rng.poisson(depth, size), weights / weights.sum()))
                rows += [{**facts, **({"cell_type": one} if types else {})}] * size
    values = np.vstack(parts).astype(np.float64)
    if kind == "score":
        values = np.log1p(1e4 * values / values.sum(axis=1, keepdims=True))
        values = values - values.mean(axis=0)
    return _as_case(values, pd.DataFrame(rows), types, kind)


def _covariates(group: int, i: int, *, batch: str | None, sex: bool, age: bool) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if batch:
        facts["batch"] = f"run{group if batch == 'aliased' else i % 2}"
    if sex:
        facts["sex"] = "MF"[(i // 2) % 2]
    if age:
        facts["age"] = 30.0 + 7 * ((3 * i + 2 * group) % 5)
    return facts


def _as_case(values: Array, obs: pd.DataFrame, types: tuple[str, ...], kind: str) -> Made:
    obs.index = pd.Index([f"barcode-{i}" for i in range(len(obs))])
    names = [f"g{j}" for j in range(values.shape[1])]
    middle = len(names) // 2
    question = {
        "condition_reference": CONTROL,
        "condition_test": STIM,
        "cell_type": types[0] if types else None,
        "gene_set": [*names[:3], names[middle], names[middle + 1], names[-1]],
        "value_kind": kind,
    }
    inside = (obs["cell_type"] == types[0]).to_numpy() if types else np.ones(len(obs), bool)
    return Made(values, names, obs, question, inside)


def truth(made: Made, covariates: tuple[str, ...] = ()) -> dict[str, float]:
    """The donor-level model by the textbook; covariates in the order in which they enter."""
    obs = made.obs[made.rows]
    samples = obs.drop_duplicates(["donor", "condition"]).sort_values(["donor", "condition"])
    keys = list(zip(samples["donor"], samples["condition"], strict=True))
    of = np.array([keys.index(k) for k in zip(obs["donor"], obs["condition"], strict=True)])
    sums = np.array([made.values[made.rows][of == s].sum(axis=0) for s in range(len(keys))]).T
    columns = [np.ones(len(keys))]
    for name in covariates:
        words = sorted(set(samples[name]))
        numeric = samples[name].dtype.kind == "f"
        columns += (
            [samples[name].to_numpy()]
            if numeric
            else [(samples[name] == w).to_numpy(float) for w in words[1:]]
        )
    x = np.column_stack([*columns, (samples["condition"] == STIM).to_numpy(float)])
    if made.question["value_kind"] == "score":
        means = sums / np.bincount(of)
        kept = np.ptp(means, axis=1) > 0
        p = moderated.moderated(moderated.least_squares(means[kept], x), x.shape[1] - 1).p
    else:
        kept = sizes.expressed_enough(sums, sums.sum(axis=0), x)
        counts = sums[kept]
        library = counts.sum(axis=0) * sizes.tmm(counts)
        p = quasi_p(counts, x, library)
    q, names = adjusted(p), np.array(made.genes)[kept]
    return {
        "pct_de": 100.0 * float((p < 0.05).mean()),
        "pct_fdr": 100.0 * float((q < 0.05).mean()),
        "n_set_de": int((p[np.isin(names, made.question["gene_set"])] < 0.05).sum()),
        "tested": int(kept.sum()),
    }


def quasi_p(counts: Array, x: Array, library: Array) -> Array:
    """Quasi-likelihood F test of the last column at the trended dispersion."""
    grid = dispersion.profile_grid(counts, x, np.log(library))
    common = dispersion.SCALE * 2.0 ** dispersion.maximum(dispersion.GRID, grid.sum(axis=0))
    abundance = sizes.average_log2_cpm(counts, library, common)
    near = dispersion.local_mean(grid, abundance, dispersion.default_share(len(counts)))
    peaks = [dispersion.maximum(dispersion.GRID, row) for row in near]
    trend = dispersion.SCALE * 2.0 ** np.array(peaks)
    return quasi.quasi_test(counts, x, library, trend, abundance, x.shape[1] - 1).p


def adjusted(p: Array) -> Array:
    """Benjamini-Hochberg."""
    order = np.argsort(p)
    steps = p[order] * p.size / np.arange(1, p.size + 1)
    out = np.empty(p.size)
    out[order] = np.minimum.accumulate(steps[::-1])[::-1]
    return np.minimum(out, 1.0)


def save(
    folder: Path,
    made: Made,
    *,
    storage: str = "csr",
    layer: str | None = None,
    strings: bool = False,
    values: Array | None = None,
) -> Path:
    """The case as released files."""
    import anndata
    from scipy import sparse

    folder.mkdir(parents=True, exist_ok=True)
    held: Any = made.values if values is None else values
    if made.question["value_kind"] == "counts" and values is None and storage != "float":
        held = held.astype(np.int32)
    if storage in ("csr", "csc"):
        held = sparse.csr_matrix(held) if storage == "csr" else sparse.csc_matrix(held)
    obs = made.obs.copy()
    for name in obs.select_dtypes(object).columns:
        obs[name] = obs[name] if strings else obs[name].astype("category")
    var = pd.DataFrame(index=pd.Index(made.genes))
    layers = {layer: held} if layer else None
    data = anndata.AnnData(None if layer else held, obs=obs, var=var, layers=layers)
    data.write_h5ad(folder / "cells.h5ad")
    question = made.question | ({"layer": layer} if layer else {})
    (folder / "question.json").write_text(json.dumps(question))
    return folder


def opened(folder: Path, made: Made, **how: Any) -> Case:
    """The case in a folder."""
    parameters = how.pop("parameters", {})
    return open_case(PROBLEM, save(folder, made, **how), parameters)


def solved(folder: Path, made: Made, path: dict[str, str] | None = None, **how: Any) -> Outcome:
    """The case solved along a path."""
    return solve_case(PROBLEM, opened(folder, made, **how), path or {})
