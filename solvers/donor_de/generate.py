"""Cases of cells from donors of two conditions, with the truth of the donor-level model.

Counts of a cell are gamma-Poisson around the profile of its donor, and donors differ in every gene.
The truth is the donor-level model on the donor sums (means of scores) as they were drawn.

Why every decision matters in the default case: donors vary by a quarter in every gene; one gene
takes a large share of the libraries of one condition; batches lean to one condition; a fifth of the
genes has too few counts; and donors give very different numbers of cells. Genes near p = 0.05 are
not drawn, so that valid methods agree.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refsolve.contract.outcome import GeneratedCase
from refsolve.core.errors import UsageError
from refsolve.core.extras import require
from refsolve.methods.pseudobulk import (
    adjust_fdr,
    filter_genes,
    fit_quasi,
    moderated_test,
    normalise,
    quasi_test,
)

Array = NDArray[np.float64]

REFERENCE, TEST = "control", "treated"
LEVEL = 0.05
GAP_P, GAP_Q = (0.025, 0.1), (0.035, 0.07)  # no p value, and no adjusted one, lies here
PAGE_GAP = (0.03, 0.085)  # without one of these valid methods differ by less than a point
ROUNDS = 25
PLANS = ("balanced", "leaning", "aliased", "none")
STORAGE = ("sparse", "dense", "float")
KINDS = ("counts", "score")


def _knob(default: float | bool | str, doc: str) -> Any:
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True)
class Knobs:
    """Settings of a case."""

    reference_donors: int = _knob(5, "donors of the reference condition; pairs where paired")
    test_donors: int = _knob(6, "donors of the test condition")
    paired: bool = _knob(False, "every donor gives cells of both conditions")
    cells: int = _knob(40, "median number of cells of a donor and condition")
    cells_spread: float = _knob(0.6, "its spread on the log scale")
    fewest: int = _knob(20, "fewest cells of a donor and condition")
    genes: int = _knob(300, "genes before those near p = 0.05 are taken out")
    scarce: float = _knob(0.2, "share of genes with too few counts")
    depth: float = _knob(1500.0, "median counts of a cell")
    dispersion: float = _knob(0.06, "squared coefficient of variation between donors")
    cell_dispersion: float = _knob(0.5, "of a cell around its donor")
    changed: float = _knob(0.12, "share of genes that differ")
    log2_change: float = _knob(2.0, "by how much")
    dominant: float = _knob(0.5, "share of the library of one gene in the test condition")
    batches: int = _knob(2, "processing batches")
    plan: str = _knob("leaning", "batches against conditions: balanced, leaning, aliased or none")
    batch_effect: float = _knob(0.7, "spread of batches on the log scale")
    sex: bool = _knob(True, "a column of sexes")
    age: bool = _knob(True, "a column of ages")
    cell_types: int = _knob(1, "cell types; the question asks for one of them where there are more")
    others: float = _knob(0.0, "share of cells of a third condition")
    nameless: float = _knob(0.0, "share of cells whose donor is missing")
    value_kind: str = _knob("counts", "counts or score (log counts smoothed over cells)")
    layer: str = _knob("", "layer of the values; X where empty")
    storage: str = _knob("sparse", "sparse or dense whole numbers, or float")
    gap: bool = _knob(True, "no gene has p or adjusted p near 0.05")
    set_size: int = _knob(12, "genes of the set that the file has")
    set_changed: int = _knob(4, "how many of them differ, where there are so many")
    absent: int = _knob(1, "names of the set that the file lacks")
    strings: bool = _knob(False, "annotation as text instead of categories")
    shuffle: bool = _knob(True, "cells in any order")
    extra_columns: bool = _knob(True, "columns nobody asked for")
    clean: bool = _knob(False, "no effect of condition, batch, sex or age on any gene")

    def __post_init__(self) -> None:
        choices = {"plan": PLANS, "storage": STORAGE, "value_kind": KINDS}
        for name, words in choices.items():
            if getattr(self, name) not in words:
                raise UsageError(f"{name} is one of {', '.join(words)}.")
        if min(self.reference_donors, self.test_donors) < 1 or self.genes < 20:
            raise UsageError("A case needs a donor in each condition and 20 genes.")


@dataclass(frozen=True)
class Drawn:
    """Cells of the comparison as they were drawn."""

    samples: pd.DataFrame
    sample: NDArray[np.int64]
    counts: NDArray[np.int64]  # (cells, genes)
    values: Array  # what is released: counts or scores
    genes: NDArray[np.object_]


def generate(knobs: Knobs, rng: np.random.Generator) -> GeneratedCase:
    """Draw donors and their cells, evaluate the donor-level model, and release the cells."""
    return _made(knobs, int(rng.integers(2**63)))


@lru_cache(maxsize=2)  # certify asks for the same case again and again
def _made(knobs: Knobs, seed: int) -> GeneratedCase:
    rng = np.random.default_rng(seed)
    samples = _samples(knobs, rng)
    drawn = _cells(knobs, samples, rng)
    matrix = design_matrix(samples, paired=knobs.paired)
    kept, p = _settled(knobs, drawn, matrix)
    q = adjust_fdr(p)
    names, asked = drawn.genes[kept], _gene_set(knobs, drawn.genes[kept], p, rng)
    tested = np.isfinite(p)
    near = bool(((p > PAGE_GAP[0]) & (p < PAGE_GAP[1])).any())
    answer = {
        "pct_de": 100.0 * float((p[tested] < LEVEL).mean()),
        "pct_fdr": 100.0 * float((q[tested] < LEVEL).mean()),
        "n_set_de": int((p[np.isin(names, asked)] < LEVEL).sum()),
    }
    tolerance = 2.0 if near else 1.0
    question = {
        "condition_reference": REFERENCE,
        "condition_test": TEST,
        "cell_type": "type1" if knobs.cell_types > 1 else None,
        "gene_set": asked,
        "value_kind": knobs.value_kind,
    }
    if knobs.layer:
        question["layer"] = knobs.layer
    return GeneratedCase(
        {"cells": _released(knobs, drawn, kept, rng), "question": question},
        answer,
        {"pct_de": tolerance, "pct_fdr": tolerance},
        {"tested": int(tested.sum()), "genes": int(kept.sum()), "p_of_set": _p_of(names, p, asked)},
    )


def _p_of(names: NDArray[np.object_], p: Array, asked: list[str]) -> dict[str, float | None]:
    known = dict(zip(names.tolist(), p.tolist(), strict=True))
    return {g: known[g] if known.get(g, np.nan) == known.get(g) else None for g in asked}


def design_matrix(samples: pd.DataFrame, *, paired: bool) -> Array:
    """Intercept, donors where paired, covariates that add something, and the condition.

    Parameters
    ----------
    samples
        One row per donor and condition.
    paired
        Donors are blocks.
    """
    last = (samples["condition"] == TEST).to_numpy(np.float64)
    columns = [np.ones(len(samples))]
    for name in [
        *(["donor"] if paired else []),
        *(c for c in ("batch", "sex", "age") if c in samples),
    ]:
        given = samples[name]
        if name == "age":
            new = [given.to_numpy(np.float64)]
        else:
            new = [(given == word).to_numpy(np.float64) for word in sorted(set(given))[1:]]
        for column in new:
            wider = np.column_stack([*columns, column, last])
            if np.linalg.matrix_rank(wider) == wider.shape[1] < len(samples):
                columns.append(column)
    return np.column_stack([*columns, last])


def p_values(values: Array, matrix: Array, *, counts: bool) -> Array:
    """P value of every gene (genes, samples), NaN where it cannot be tested.

    The functions of the library stand in for the textbook, which takes seconds; a test holds
    their results on the generator's own sums equal to it.
    """
    p = np.full(len(values), np.nan)
    if counts:
        kept = filter_genes(values, matrix).kept
        library = normalise(values[kept], "tmm").effective
        p[kept] = quasi_test(fit_quasi(values[kept], matrix, library)).p
    else:
        kept = np.ptp(values, axis=1) > 0
        p[kept] = moderated_test(values[kept], matrix).p
    return p


def bulk(drawn: Drawn, *, counts: bool) -> Array:
    """Sums of counts, or means of scores, (genes, samples)."""
    picks = np.zeros((len(drawn.samples), drawn.sample.size))
    picks[drawn.sample, np.arange(drawn.sample.size)] = 1.0
    if not counts:
        picks /= picks.sum(axis=1, keepdims=True)
    return np.ascontiguousarray((picks @ drawn.values).T)


def _settled(knobs: Knobs, drawn: Drawn, matrix: Array) -> tuple[NDArray[np.bool_], Array]:
    """Genes that stay, and their p values: without those near 0.05 if there is to be a gap."""
    counts = knobs.value_kind == "counts"
    values, kept = bulk(drawn, counts=counts), np.ones(len(drawn.genes), dtype=bool)
    if matrix.shape[0] <= matrix.shape[1] or np.linalg.matrix_rank(matrix) < matrix.shape[1]:
        return kept, np.full(kept.size, 1.0)  # no model: the solver is to say so
    for _ in range(ROUNDS):
        p = p_values(values[kept], matrix, counts=counts)
        q = adjust_fdr(p)
        near = ((p > GAP_P[0]) & (p < GAP_P[1])) | ((q > GAP_Q[0]) & (q < GAP_Q[1]))
        if not knobs.gap or not near.any():
            break
        kept[np.flatnonzero(kept)[near]] = False
    return kept, p


def _gene_set(
    knobs: Knobs, names: NDArray[np.object_], p: Array, rng: np.random.Generator
) -> list[str]:
    """Genes that differ, genes that do not, and names that the file lacks."""
    order = rng.permutation(len(names))
    differ = [i for i in order if p[i] < LEVEL][: knobs.set_changed]
    rest = [i for i in order if not p[i] < LEVEL][: knobs.set_size - len(differ)]
    asked = [str(names[i]) for i in (*differ, *rest)] + [
        f"LOST{i + 1}" for i in range(knobs.absent)
    ]
    return [asked[i] for i in rng.permutation(len(asked))]


def _samples(knobs: Knobs, rng: np.random.Generator) -> pd.DataFrame:
    """One row per donor and condition, with batch, sex and age."""
    n = (knobs.reference_donors, knobs.reference_donors if knobs.paired else knobs.test_donors)
    condition = np.repeat([0, 1], n)
    donor = np.tile(np.arange(n[0]), 2) if knobs.paired else np.arange(sum(n))
    within = np.concatenate([np.arange(k) for k in n])
    frame = pd.DataFrame(
        {
            "donor": [f"D{i + 1:02d}" for i in donor],
            "condition": np.where(condition == 1, TEST, REFERENCE),
        }
    )
    if knobs.plan != "none":
        batch = within % knobs.batches
        if knobs.plan == "aliased":
            batch = condition % knobs.batches
        elif knobs.plan == "leaning":
            # All but one donor of a condition are in its own batch.
            batch = (
                np.where(within < knobs.batches - 1, batch + condition + 1, condition)
                % knobs.batches
            )
        frame["batch"] = [f"b{i + 1}" for i in batch]
    people = int(donor.max()) + 1
    if knobs.sex:
        frame["sex"] = rng.permutation(np.resize(["female", "male"], people))[donor]
    if knobs.age:
        frame["age"] = rng.integers(22, 75, people)[donor].astype(float)
    return frame


def _shares(knobs: Knobs, samples: pd.DataFrame, rng: np.random.Generator) -> Array:
    """Expected share of every gene in the counts of every sample."""
    g, n = knobs.genes, len(samples)
    active = 0.0 if knobs.clean else 1.0
    level = rng.normal(0.0, 0.8, g)
    level[: round(knobs.scarce * g)] -= 7.0
    change = np.zeros(g)
    picked = rng.permutation(np.arange(round(knobs.scarce * g), g - 1))[: round(knobs.changed * g)]
    change[picked] = knobs.log2_change * np.log(2) * rng.choice([-1.0, 1.0], picked.size)
    spread = np.sqrt(np.log1p(knobs.dispersion * rng.chisquare(12, g) / 12))
    donors = pd.factorize(samples["donor"])[0]
    log = level + (spread * rng.standard_normal((n, g)))[donors]
    log += 0.3 * spread * rng.standard_normal((n, g)) * knobs.paired
    log += active * np.outer(samples["condition"] == TEST, change)
    for name, size in (("batch", knobs.batch_effect), ("sex", 0.2)):
        if name in samples:
            code = pd.factorize(samples[name], sort=True)[0]
            log += active * size * rng.standard_normal((code.max() + 1, g))[code]
    share = np.exp(log)
    share /= share.sum(axis=1, keepdims=True)
    dominant = np.where(samples["condition"] == TEST, active * knobs.dominant, 0.0) + 0.03
    share[:, -1] = 0.0
    share *= ((1 - dominant) / share.sum(axis=1))[:, np.newaxis]
    share[:, -1] = dominant * np.exp(0.1 * rng.standard_normal(n))
    return np.asarray(share)


def _cells(knobs: Knobs, samples: pd.DataFrame, rng: np.random.Generator) -> Drawn:
    share = _shares(knobs, samples, rng)
    sizes = np.rint(knobs.cells * np.exp(knobs.cells_spread * rng.standard_normal(len(samples))))
    sample = np.repeat(np.arange(len(samples)), np.maximum(sizes, knobs.fewest).astype(np.int64))
    counts = _counts(knobs, share[sample], rng)
    genes = np.array([f"GENE{i + 1:04d}" for i in rng.permutation(knobs.genes)], dtype=object)
    values = counts.astype(np.float64)
    if knobs.value_kind == "score":
        logs = np.log1p(1e4 * values / values.sum(axis=1, keepdims=True))
        near = sample[:, np.newaxis] == sample
        values = 0.5 * logs + 0.5 * (near @ logs) / near.sum(axis=1, keepdims=True)
        values -= values.mean(axis=0)
    return Drawn(samples, sample, counts, values, genes)


def _counts(knobs: Knobs, share: Array, rng: np.random.Generator) -> NDArray[np.int64]:
    mean = share * (knobs.depth * np.exp(0.3 * rng.standard_normal(len(share))))[:, np.newaxis]
    if knobs.cell_dispersion > 0:
        shape = 1.0 / knobs.cell_dispersion
        mean = mean * rng.gamma(shape, 1.0 / shape, mean.shape)
    return rng.poisson(mean)


def _released(knobs: Knobs, drawn: Drawn, kept: NDArray[np.bool_], rng: np.random.Generator) -> Any:
    """The cells of the comparison among those that are not part of it."""
    obs = drawn.samples.iloc[drawn.sample].reset_index(drop=True)
    values = drawn.values[:, kept]
    if knobs.cell_types > 1:
        obs["cell_type"] = "type1"
    for share, change in ((knobs.others, "condition"), (knobs.nameless, "donor")):
        rows = rng.integers(len(drawn.sample), size=round(share * len(drawn.sample)))
        word = "washout" if change == "condition" else None
        obs = pd.concat([obs, obs.iloc[rows].assign(**{change: word})], ignore_index=True)
        values = np.vstack([values, values[rows]])
    for k in range(2, knobs.cell_types + 1):
        rows = rng.integers(len(drawn.sample), size=len(drawn.sample) // 2)
        obs = pd.concat([obs, obs.iloc[rows].assign(cell_type=f"type{k}")], ignore_index=True)
        values = np.vstack([values, values[rows][:, rng.permutation(values.shape[1])]])
    if knobs.extra_columns:
        obs["n_counts_raw"] = rng.integers(500, 5000, len(obs))
    order = rng.permutation(len(obs)) if knobs.shuffle else np.arange(len(obs))
    obs, values = obs.iloc[order].reset_index(drop=True), values[order]
    obs.index = pd.Index([f"CELL{i + 1:05d}" for i in range(len(obs))])
    for name in obs.select_dtypes(object).columns:
        obs[name] = obs[name] if knobs.strings else obs[name].astype("category")
    return _anndata(knobs, obs, values, drawn.genes[kept])


def _anndata(knobs: Knobs, obs: pd.DataFrame, values: Array, genes: NDArray[np.object_]) -> Any:
    if knobs.value_kind == "score" or knobs.storage == "float":
        held: Any = values.astype(np.float32)
    else:
        held = values.astype(np.int32)
    if knobs.value_kind == "counts" and knobs.storage != "dense":
        held = require("scipy.sparse", "singlecell").csr_matrix(held)
    var = pd.DataFrame(index=pd.Index(genes.astype(str)))
    anndata = require("anndata", "singlecell")
    if not knobs.layer:
        return anndata.AnnData(held, obs=obs, var=var)
    return anndata.AnnData(None, obs=obs, var=var, layers={knobs.layer: held})
