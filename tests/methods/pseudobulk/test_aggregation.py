"""Cells to samples: what goes in comes out, in every form, and sums of scores are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csc_matrix, csr_array, csr_matrix

from refsolve.methods.pseudobulk import aggregate, looks_like_counts

CELLS, GENES = 60, 7


@pytest.fixture
def counts() -> np.ndarray:
    return np.random.default_rng(3).poisson(0.7, (CELLS, GENES))


@pytest.fixture
def annotation() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    donor = rng.choice(["d2", "d1", "d3"], CELLS)
    return pd.DataFrame(
        {
            "donor": pd.Categorical(donor),
            "cell_type": pd.Categorical(rng.choice(["T", "B"], CELLS)),
            "condition": np.where(donor == "d1", "case", "control"),
            "quality": rng.normal(size=CELLS),
        },
        index=[f"c{i}" for i in range(CELLS)],
    )


def expected(counts: np.ndarray, annotation: pd.DataFrame) -> np.ndarray:
    keys = [annotation["donor"].astype(str), annotation["cell_type"].astype(str)]
    return pd.DataFrame(counts).groupby([k.to_numpy() for k in keys]).sum().to_numpy().T


FORMS: list[Any] = [
    np.asarray,
    np.asfortranarray,
    lambda c: c.astype(np.float32),
    csr_matrix,
    lambda c: csr_array(c.astype(np.float32)),
    csc_matrix,
    lambda c: csr_matrix(c).tocoo(),
]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_matrix_gives_the_same_sums(
    form: Any, counts: np.ndarray, annotation: pd.DataFrame
) -> None:
    found = aggregate(form(counts), annotation[["donor", "cell_type"]])
    np.testing.assert_array_equal(found.values, expected(counts, annotation))
    assert list(found.samples["donor"]) == ["d1", "d1", "d2", "d2", "d3", "d3"]
    assert found.n_cells.sum() == CELLS
    np.testing.assert_array_equal(found.library, found.values.sum(axis=0))


def test_annotated_data_bring_names_and_what_is_constant_in_a_sample(
    counts: np.ndarray, annotation: pd.DataFrame
) -> None:
    anndata = pytest.importorskip("anndata")
    names = pd.DataFrame(index=[f"g{j}" for j in range(GENES)])
    data = anndata.AnnData(csr_matrix(counts.astype(np.float32)), obs=annotation, var=names)
    data.layers["scaled"] = counts * 0.5
    found = aggregate(data, ["donor", "cell_type"])
    np.testing.assert_array_equal(found.values, expected(counts, annotation))
    assert list(found.genes[:2]) == ["g0", "g1"]
    assert list(found.samples.columns) == ["donor", "cell_type", "condition"]
    assert list(found.samples["condition"][:3]) == ["case", "case", "control"]
    with pytest.raises(ValueError, match="no counts"):
        aggregate(data, "donor", layer="scaled")
    with pytest.raises(ValueError, match="layer 'raw' is not in the AnnData; there is scaled"):
        aggregate(data, "donor", layer="raw")
    with pytest.raises(ValueError, match="'person'.*is not in obs"):
        aggregate(data, "person")


@pytest.mark.parametrize("form", [csr_matrix, csc_matrix, np.asarray])
def test_a_backed_file_is_read_in_blocks(
    form: Any, counts: np.ndarray, annotation: pd.DataFrame, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    anndata = pytest.importorskip("anndata")
    monkeypatch.setattr("refsolve.methods.pseudobulk.estimator.aggregation.BLOCK", 17)
    data = anndata.AnnData(form(counts.astype(np.float32)), obs=annotation)
    data.write_h5ad(tmp_path / "cells.h5ad")
    backed = anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    found = aggregate(backed, ["donor", "cell_type"])
    np.testing.assert_array_equal(found.values, expected(counts, annotation))
    assert looks_like_counts(backed.X)
    backed.file.close()


@pytest.mark.parametrize("sparse", [True, False])
def test_dask_is_computed_a_block_at_a_time(
    sparse: bool, counts: np.ndarray, annotation: pd.DataFrame
) -> None:
    da = pytest.importorskip("dask.array")
    chunks = (13, -1) if sparse else (13, 4)
    lazy = da.from_array(counts, chunks=chunks)
    if sparse:
        lazy = lazy.map_blocks(csr_matrix)
    found = aggregate(lazy, annotation[["donor", "cell_type"]])
    np.testing.assert_array_equal(found.values, expected(counts, annotation))


def test_small_codes_of_categories_do_not_overflow() -> None:
    """Codes of up to 128 categories are 8-bit: a product of two of them needs more."""
    rng = np.random.default_rng(5)
    a, b = rng.integers(0, 100, 4000), rng.integers(0, 90, 4000)
    table = pd.DataFrame({"a": pd.Categorical(a), "b": pd.Categorical(b)})
    assert table["a"].cat.codes.dtype == np.int8
    found = aggregate(np.ones((4000, 1)), table)
    want = pd.crosstab(a, b).stack()
    np.testing.assert_array_equal(found.values[0], want[want > 0].to_numpy())


def test_the_order_of_cells_does_not_matter(counts: np.ndarray, annotation: pd.DataFrame) -> None:
    keys, order = annotation[["donor", "cell_type"]], np.random.default_rng(6).permutation(CELLS)
    a = aggregate(counts, keys)
    b = aggregate(counts[order], keys.iloc[order])
    np.testing.assert_array_equal(a.values, b.values)
    pd.testing.assert_frame_equal(a.samples, b.samples)


def test_cells_without_a_key_are_set_aside_and_counted(counts: np.ndarray) -> None:
    donor = np.array(["a", "b"], object)[np.arange(CELLS) % 2]
    donor[[0, 2, 5]] = None
    found = aggregate(counts, {"donor": donor})
    assert found.n_set_aside == 3
    assert found.n_cells.tolist() == [28, 29]
    there = np.array([d is not None for d in donor])
    assert found.values.sum() == counts[there].sum()


def test_small_samples_are_left_out(counts: np.ndarray) -> None:
    donor = np.repeat(["a", "b", "c"], [50, 3, 7])
    found = aggregate(counts, {"donor": donor}, min_cells=5)
    assert list(found.samples["donor"]) == ["a", "c"]
    assert found.n_set_aside == 3
    np.testing.assert_array_equal(found.values[:, 1], counts[53:].sum(axis=0))
    with pytest.raises(ValueError, match="no sample has 90 cells, the largest has 50"):
        aggregate(counts, {"donor": donor}, min_cells=90)


def test_means_and_weighted_means(counts: np.ndarray) -> None:
    rng = np.random.default_rng(7)
    scores, donor = rng.normal(size=(CELLS, GENES)), np.arange(CELLS) % 3
    weight = rng.uniform(0.0, 1.0, CELLS)
    weight[0] = 0.0
    found = aggregate(scores, donor, how="mean", weights=weight)
    for s in range(3):
        want = np.average(scores[donor == s], axis=0, weights=weight[donor == s])
        np.testing.assert_allclose(found.values[:, s], want, rtol=1e-12, atol=1e-15)
    assert found.n_set_aside == 1
    plain = aggregate(scores, donor, how="mean").values
    np.testing.assert_allclose(plain[:, 1], scores[donor == 1].mean(axis=0), rtol=1e-12)


@pytest.mark.parametrize("form", [np.asarray, csr_matrix, csc_matrix])
def test_sums_of_scores_are_refused(form: Any, counts: np.ndarray) -> None:
    donor = np.arange(CELLS) % 3
    for bad in (-1.0, 0.25):
        scores = counts.astype(np.float64)
        scores[8, 2] = bad
        assert not looks_like_counts(form(scores))
        with pytest.raises(ValueError, match=r"1 numbers that are no counts.*how=\"mean\""):
            aggregate(form(scores), donor)
    assert looks_like_counts(form(counts))


@pytest.mark.parametrize("form", [np.asarray, csr_matrix])
def test_missing_values_are_refused(form: Any, counts: np.ndarray) -> None:
    scores = counts.astype(np.float64)
    scores[8, 2] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        aggregate(form(scores), np.arange(CELLS) % 3, how="mean")


def test_arguments_that_do_not_fit(counts: np.ndarray) -> None:
    donor = np.arange(CELLS) % 3
    with pytest.raises(ValueError, match="59 values for 60 cells"):
        aggregate(counts, {"donor": donor[:-1]})
    with pytest.raises(ValueError, match="genes has 2 names for 7 columns"):
        aggregate(counts, donor, genes=["a", "b"])
    with pytest.raises(ValueError, match="weights has 2 values"):
        aggregate(counts, donor, weights=[1.0, 2.0])
    with pytest.raises(ValueError, match="how = 'median' is not known"):
        aggregate(counts, donor, how="median")
    with pytest.raises(ValueError, match="1 dimensions"):
        aggregate(counts[0], donor)


def test_samples_can_be_selected_and_shown(counts: np.ndarray, annotation: pd.DataFrame) -> None:
    found = aggregate(counts, annotation[["donor", "cell_type"]])
    some = found.select((found.samples["cell_type"] == "T").to_numpy())
    np.testing.assert_array_equal(some.values, found.values[:, 1::2])
    assert list(some.to_frame().columns) == ["donor", "cell_type", "n_cells", "library"]
    assert found.to_dict()["samples"]["donor"][0] == "d1"
    assert "values" in found.summary()
