"""Cells: totals of donors, and scans with covariates that differ between cells."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csc_array, csr_array

from refsolve.core.errors import AnalysisError
from refsolve.methods.count_glm import (
    CisMap,
    Exposure,
    Genotypes,
    fit_donors,
    make_genotypes,
    map_cis,
    map_cis_cells,
    total_by_donor,
)

D, CELLS, GENES, VARIANTS = 30, 12, 3, 5
NAMES = np.array([f"D{k:02d}" for k in range(D)])
PLACE = {"gene_chromosome": ["1"] * GENES, "gene_position": [100, 200, 10_000]}


class Cells(NamedTuple):
    counts: np.ndarray
    donor: np.ndarray
    total: np.ndarray
    rho: np.ndarray
    share: np.ndarray
    phase: np.ndarray
    batch: np.ndarray
    dosage: np.ndarray


@cache
def data() -> Cells:
    rng = np.random.default_rng(8)
    donor = rng.permutation(np.repeat(np.arange(D), CELLS))
    total = np.round(np.exp(rng.normal(8.0, 0.3, donor.size)))
    rho = rng.gamma(4.0, 0.03, D)[donor]
    phase, batch = rng.standard_normal(donor.size), (np.arange(D) % 2)[donor]
    dosage = rng.binomial(2, 0.4, (VARIANTS, D))
    share = np.array([2e-3, 1e-4, 1e-3])
    rate = np.exp(-7.0 + 0.3 * rng.standard_normal((D, GENES))[donor] + 0.4 * phase[:, None])
    mean = total[:, None] * ((1 - rho[:, None]) * rate + rho[:, None] * share)
    return Cells(rng.poisson(mean), donor, total, rho, share, phase, batch, dosage)


def source(order: np.ndarray | None = None) -> Genotypes:
    columns = np.arange(D) if order is None else order
    place = [90, 110, 190, 210, 9_000]
    return make_genotypes(data().dosage[:, columns], "1", place, sample=NAMES[columns])


def totals(**other: Any) -> Any:
    d = data()
    options = {"total": d.total, "rho": d.rho, "share": d.share} | other
    return total_by_donor(options.pop("values", d.counts), NAMES[d.donor], **options)


def scan(x: np.ndarray, **other: Any) -> CisMap:
    d = data()
    options = {"total": d.total, "rho": d.rho, "share": d.share, "least_copies": 1} | PLACE | other
    values = options.pop("values", csr_array(d.counts))
    genotypes = options.pop("genotypes", source())
    return map_cis_cells(values, genotypes, options.pop("donor", NAMES[d.donor]), x, **options)


def test_totals_of_donors() -> None:
    d, found = data(), totals()
    for k in (0, 7):
        mine = d.donor == k
        np.testing.assert_array_equal(found.counts[:, k], d.counts[mine].sum(axis=0))
        assert found.exposure[k] == pytest.approx(((1 - d.rho) * d.total)[mine].sum())
        want = d.share * (d.rho * d.total)[mine].sum()
        np.testing.assert_allclose(found.ambient[:, k], want)
    assert list(found.donors) == list(NAMES)
    assert list(found.n_cells) == [CELLS] * D
    assert found.n_set_aside == 0
    assert list(found.to_frame().columns) == ["donor", "n_cells", "counts", "exposure", "ambient"]


@pytest.mark.parametrize("kind", [csr_array, csc_array, np.asarray])
def test_totals_of_every_kind_of_matrix(kind: Any) -> None:
    np.testing.assert_array_equal(totals(values=kind(data().counts)).counts, totals().counts)


def test_cells_that_are_set_aside() -> None:
    d = data()
    label = NAMES[d.donor].astype(object)
    label[d.donor == 3] = None
    label[np.flatnonzero(d.donor == 4)[2:]] = "D05"
    found = total_by_donor(d.counts, label, min_cells=3)
    assert found.donors.size == D - 2
    assert found.n_set_aside == CELLS + 2
    assert found.n_cells[list(found.donors).index("D05")] == 2 * CELLS - 2
    np.testing.assert_allclose(found.exposure.sum(), d.counts[(d.donor != 3)].sum()
                               - d.counts[np.flatnonzero(d.donor == 4)[:2]].sum())  # fmt: skip


def test_numbers_of_donors_stay_whole_where_some_are_missing() -> None:
    found = total_by_donor([[1, 0], [2, 5], [4, 1]], [10.0, 2.0, np.nan])
    assert list(found.donors) == ["10", "2"]
    assert found.n_set_aside == 1


def test_totals_of_annotated_data(tmp_path: Path) -> None:
    anndata = pytest.importorskip("anndata")
    d = data()
    obs = pd.DataFrame({"donor": NAMES[d.donor]}, index=[str(k) for k in range(d.donor.size)])
    names = pd.DataFrame(index=["a", "b", "c"])
    values = anndata.AnnData(csr_array(d.counts.astype(np.float32)), obs=obs, var=names)
    values.layers["raw"] = values.X
    values.write_h5ad(tmp_path / "cells.h5ad")
    want = total_by_donor(d.counts, NAMES[d.donor])
    backed = anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    for found in (
        total_by_donor(values, "donor", layer="raw"),
        total_by_donor(backed, "donor"),
    ):
        np.testing.assert_array_equal(found.counts, want.counts)
        assert list(found.genes) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="'pool' is not in obs; there is donor"):
        total_by_donor(values, "pool")


@pytest.mark.parametrize(
    "change, words",
    [
        ({"values": data().counts - 1}, "no counts"),
        ({"values": data().counts + 0.5}, "no counts"),
        ({"values": data().counts[0]}, "1 dimensions"),
        ({"total": np.ones(D * CELLS)}, "is less than the cell's genes"),
        ({"total": np.ones(3)}, "total has 3 values"),
        ({"rho": 1.5}, "rho"),
        ({"share": [0.1]}, "share"),
        ({"genes": ["a"]}, "genes has 1 names"),
        ({"layer": "x"}, "layer is for an AnnData"),
        ({"min_cells": 99}, "no donor has 99 cells"),
    ],
)
def test_cells_that_cannot_be_added_up(change: dict[str, Any], words: str) -> None:
    if "share" in change:
        change = {"share": np.ones(7)}
    with pytest.raises(ValueError, match=words):
        totals(**change)
    with pytest.raises(ValueError, match="2 labels"):
        total_by_donor(data().counts, ["a", "b"])


def test_cells_give_what_totals_give_where_covariates_allow() -> None:
    d = data()
    by_donor = np.column_stack([np.ones(D), np.arange(D) % 2])
    found = scan(by_donor[d.donor], permutations=60, rng=5)
    want = map_cis(
        totals(), source(), by_donor, family="mixed", least_copies=1, permutations=60, rng=5,
        **PLACE,
    )  # fmt: skip
    np.testing.assert_allclose(found.p_beta, want.p_beta, rtol=0, atol=1e-4)
    np.testing.assert_array_equal(found.p_permutation, want.p_permutation)
    np.testing.assert_allclose(found.scale, want.scale, rtol=1e-4)
    np.testing.assert_allclose(found.test_effect, want.test_effect, rtol=0, atol=2e-6)
    np.testing.assert_allclose(found.test_p, want.test_p, rtol=0, atol=2e-6)
    np.testing.assert_allclose(found.dispersion, want.dispersion, rtol=0, atol=1e-5)
    np.testing.assert_allclose(found.effect, want.effect, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_covariates_of_cells_against_likelihood_ratios() -> None:
    d = data()
    x = np.column_stack([np.ones(d.donor.size), d.phase, d.batch])
    found = scan(x)
    ambient = d.rho * d.total * d.share[0]
    none = np.zeros(d.donor.size)
    exposure = Exposure((1 - d.rho) * d.total, ambient, d.total, none, none)
    null = fit_donors(d.counts[:, 0], x, exposure, d.donor, spread="ml")
    for k in np.flatnonzero(found.test_gene == 0):
        full = np.column_stack([x, d.dosage[found.test_variant[k]][d.donor]])
        fit = fit_donors(d.counts[:, 0], full, exposure, d.donor, spread="ml")
        ratio = max(2.0 * (fit.log_likelihood - null.log_likelihood), 0.0)
        z = found.test_effect[k] / found.test_se[k]
        assert abs(z) == pytest.approx(np.sqrt(ratio), abs=0.1)
    assert found.n_permutations == 0
    with pytest.raises(ValueError, match="total.*must be above zero"):
        scan(x, values=d.counts * (d.donor > 0)[:, None], total=None)


@pytest.mark.slow
def test_donors_and_cells_are_aligned_by_name() -> None:
    d, rng = data(), np.random.default_rng(1)
    x = np.column_stack([np.ones(d.donor.size), d.phase])
    want = scan(x)
    order = rng.permutation(d.donor.size)
    shuffled = scan(
        x[order], values=csc_array(d.counts[order]), donor=NAMES[d.donor][order],
        total=d.total[order], rho=d.rho[order], genotypes=source(rng.permutation(D)),
    )  # fmt: skip
    np.testing.assert_allclose(shuffled.test_p, want.test_p, rtol=1e-5)
    some = scan(x, genotypes=source(np.arange(D - 4)))
    assert some.n_donors == D - 4
    assert some.without_genotypes == tuple(NAMES[-4:])
    assert some.cells_set_aside == 0
    label = NAMES[d.donor].astype(object)
    label[:3] = None
    assert "; 3 cells set aside" in scan(x, donor=label).summary()
    wide = rng.standard_normal((d.donor.size, D - 1))
    with pytest.raises(AnalysisError, match="30 donors cannot tell a variant beside 29"):
        scan(wide)
    assert np.isfinite(some.test_p).all()
