"""Counts without their ambient part: every way, in every form, with counts conserved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import coo_array, csc_matrix, csr_array, csr_matrix

from refsolve.methods.ambient import (
    DropletDesign,
    ambient_offset,
    ambient_profile,
    annotate_ambient,
    group_offset,
    native_exposure,
    remove_ambient,
    simulate_droplets,
    subtract_ambient,
)
from refsolve.methods.ambient.estimator import storing
from refsolve.methods.ambient.model import matrices
from refsolve.methods.ambient.textbook import correction as textbook

DATA = simulate_droplets(DropletDesign(cells=90, empties=900, genes=40, rho=(0.2,)), rng=2)
COUNTS = DATA.cells.toarray().astype(float)
TOTAL = COUNTS.sum(axis=1)
SHARE = ambient_profile(DATA.counts).share
AMOUNT = DATA.rho * TOTAL


def wide(matrix: Any) -> csr_array:
    out = csr_array(matrix)
    out.indices, out.indptr = out.indices.astype(np.int64), out.indptr.astype(np.int64)
    return out


def dense(matrix: Any) -> np.ndarray:
    return np.asarray(matrix if isinstance(matrix, np.ndarray) else matrix.toarray())


WANT = {
    "cells": textbook.filled(COUNTS.T, SHARE, AMOUNT).T,
    "clusters": textbook.by_cluster(COUNTS.T, SHARE, AMOUNT, DATA.type).T,
    "clipped": textbook.subtract(COUNTS, np.outer(AMOUNT, SHARE)),
    "unclipped": COUNTS - np.outer(AMOUNT, SHARE),
}


def corrected(how: str, values: Any, **rest: Any) -> Any:
    if how in ("cells", "clusters"):
        clusters = DATA.type if how == "clusters" else None
        return remove_ambient(values, SHARE, DATA.rho, clusters=clusters, **rest)
    return subtract_ambient(values, SHARE, DATA.rho, clip=how == "clipped", **rest)


@pytest.mark.parametrize("how", list(WANT))
@pytest.mark.parametrize("form", [np.asarray, csr_array, csr_matrix, csc_matrix, coo_array, wide])
def test_every_way_in_every_form(how: str, form: Any) -> None:
    values = form(COUNTS)
    found = corrected(how, values)
    if how != "unclipped":
        assert type(found) is type(values)
        if hasattr(values, "indices"):
            assert found.indices.dtype == values.indices.dtype
    np.testing.assert_allclose(dense(found), WANT[how], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(dense(values), COUNTS)


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.float32, np.uint16])
def test_whole_numbers_keep_the_type(kind: Any) -> None:
    values = csr_array(COUNTS.astype(kind))
    found = remove_ambient(values, SHARE, DATA.rho, whole=True, rng=1)
    assert found.dtype == kind
    assert (found.toarray() == np.floor(found.toarray())).all()
    np.testing.assert_array_equal(
        found.toarray(), remove_ambient(COUNTS, SHARE, DATA.rho, whole=True, rng=1)
    )


def test_counts_are_conserved() -> None:
    np.testing.assert_allclose((COUNTS - corrected("cells", COUNTS)).sum(axis=1), AMOUNT, rtol=1e-9)
    by_cluster = COUNTS - corrected("clusters", COUNTS)
    for k in range(3):
        mine = DATA.type == k
        assert by_cluster[mine].sum() == pytest.approx(AMOUNT[mine].sum(), rel=1e-9)
    for clusters in (None, DATA.type):
        exact = remove_ambient(COUNTS, SHARE, DATA.rho, clusters=clusters)
        found = remove_ambient(COUNTS, SHARE, DATA.rho, clusters=clusters, whole=True, rng=3)
        assert (np.abs((exact - found).sum(axis=1)) < 1).all()
        assert (np.abs(exact - found) < 1).all()
        assert (found >= 0).all()


def test_clipping_is_biased_upward_and_the_rest_is_not() -> None:
    rng = np.random.default_rng(0)
    counts = np.column_stack([rng.poisson(0.1, 20_000), np.full(20_000, 100)])
    share, total = np.array([0.001, 0.4]), np.full(20_000, 1000.0)
    clipped = subtract_ambient(counts, share, 0.1, total=total)[:, 0]
    unclipped = subtract_ambient(counts, share, 0.1, total=total, clip=False)[:, 0]
    assert clipped.mean() == pytest.approx(np.exp(-0.1) * 0.1, abs=0.005)
    assert unclipped.mean() == pytest.approx(0.0, abs=0.01)


def test_nothing_and_everything() -> None:
    np.testing.assert_array_equal(remove_ambient(COUNTS, SHARE, 0.0), COUNTS)
    gone = remove_ambient(COUNTS, np.full(40, 1 / 40), 1.0)
    assert gone.sum() == pytest.approx(0.0, abs=1e-6)
    none = remove_ambient(COUNTS, np.zeros(40), 0.5)
    np.testing.assert_array_equal(none, COUNTS)
    some = remove_ambient(COUNTS, SHARE, np.where(DATA.type == 0, 0.0, 0.2), clusters=DATA.type)
    np.testing.assert_array_equal(some[DATA.type == 0], COUNTS[DATA.type == 0])


def test_totals_of_more_genes() -> None:
    few = remove_ambient(COUNTS[:, :10], SHARE[:10], DATA.rho, total=TOTAL)
    want = textbook.filled(COUNTS[:, :10].T, SHARE[:10], AMOUNT).T
    np.testing.assert_allclose(few, want, rtol=0, atol=1e-9)


def test_annotated_data_stays_annotated() -> None:
    anndata = pytest.importorskip("anndata")
    whole = anndata.AnnData(csr_matrix(COUNTS))
    whole.obs["type"] = DATA.type
    whole.layers["raw"] = whole.X * 1
    whole.uns["note"] = "x"
    whole.obsm["where"] = COUNTS[:, :2]
    found = corrected("cells", whole)
    np.testing.assert_allclose(found.X.toarray(), WANT["cells"], rtol=0, atol=1e-9)
    assert list(found.layers) == ["raw"]
    assert found.uns["note"] == "x"
    assert (found.obs["type"] == DATA.type).all()
    np.testing.assert_array_equal(whole.X.toarray(), COUNTS)
    layer = corrected("clipped", whole, layer="raw")
    np.testing.assert_allclose(layer.layers["raw"].toarray(), WANT["clipped"], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(layer.X.toarray(), COUNTS)
    assert corrected("unclipped", whole, into="native") is whole
    with pytest.raises(ValueError, match="'native' is there already"):
        corrected("unclipped", whole, into="native")
    np.testing.assert_allclose(whole.layers["native"], WANT["unclipped"], rtol=0, atol=1e-9)


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Names of files with sparse and with dense counts, read in blocks of 17 cells."""
    anndata = pytest.importorskip("anndata")
    monkeypatch.setattr(matrices, "SPARSE_ROWS", 17)
    monkeypatch.setattr(matrices, "DENSE_VALUES", 17 * 40)
    for name, form in (("sparse", csr_matrix), ("dense", np.asarray)):
        whole = anndata.AnnData(form(COUNTS))
        whole.obs["type"] = DATA.type
        whole.obsm["where"] = COUNTS[:, :2]
        whole.write_h5ad(tmp_path / f"{name}.h5ad")
    return tmp_path


@pytest.mark.parametrize("how", list(WANT))
@pytest.mark.parametrize("name", ["sparse", "dense"])
def test_files_are_streamed(stored: Any, how: str, name: str) -> None:
    anndata = pytest.importorskip("anndata")
    raw = anndata.read_h5ad(stored / f"{name}.h5ad", backed="r")
    found = corrected(how, raw, out=str(stored / "new.h5ad"))
    assert found.isbacked
    assert (found.obs["type"].to_numpy() == DATA.type).all()
    np.testing.assert_array_equal(found.obsm["where"], COUNTS[:, :2])
    np.testing.assert_allclose(dense(found.to_memory().X), WANT[how], rtol=0, atol=1e-9)
    found.file.close()
    for there in ("new", name):
        with pytest.raises(ValueError, match=r"cannot be created .* give the name of a new file"):
            corrected(how, raw, out=str(stored / f"{there}.h5ad"))
    with pytest.raises(ValueError, match='give out="new.h5ad"'):
        corrected(how, raw)
    raw.file.close()


@pytest.mark.parametrize("how", ["clusters", "unclipped"])
def test_layers_are_added_to_files(stored: Any, how: str) -> None:
    anndata = pytest.importorskip("anndata")
    raw = anndata.read_h5ad(stored / "sparse.h5ad", backed="r")
    with pytest.raises(ValueError, match="open it with backed="):
        corrected(how, raw, into="native")
    raw.file.close()
    raw = anndata.read_h5ad(stored / "sparse.h5ad", backed="r+")
    assert corrected(how, raw, into="native") is raw
    with pytest.raises(ValueError, match="'native' is in the file already"):
        corrected(how, raw, into="native")
    raw.file.close()
    again = anndata.read_h5ad(stored / "sparse.h5ad")
    np.testing.assert_allclose(dense(again.layers["native"]), WANT[how], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(again.X.toarray(), COUNTS)


def test_layers_of_files_go_to_the_file(stored: Any) -> None:
    anndata = pytest.importorskip("anndata")
    whole = anndata.read_h5ad(stored / "sparse.h5ad")
    whole.layers["raw"] = whole.X * 1
    whole.write_h5ad(stored / "layers.h5ad")
    raw = anndata.read_h5ad(stored / "layers.h5ad", backed="r+")
    corrected("cells", raw, layer="raw", into="native")
    raw.file.close()
    again = anndata.read_h5ad(stored / "layers.h5ad")
    np.testing.assert_allclose(dense(again.layers["native"]), WANT["cells"], rtol=0, atol=1e-9)


def test_truth_values_are_counts() -> None:
    some = COUNTS > 0
    found = subtract_ambient(some, SHARE, 0.1)
    np.testing.assert_allclose(found, subtract_ambient(some.astype(int), SHARE, 0.1))


def test_whole_numbers_do_not_depend_on_the_blocks(stored: Any) -> None:
    anndata = pytest.importorskip("anndata")
    raw = anndata.read_h5ad(stored / "sparse.h5ad", backed="r")
    found = corrected("cells", raw, out=str(stored / "new.h5ad"), whole=True, rng=5)
    want = corrected("cells", COUNTS, whole=True, rng=5)
    np.testing.assert_array_equal(found.to_memory().X.toarray(), want)
    found.file.close()
    raw.file.close()


@pytest.mark.parametrize("there", ["new", "layer"])
def test_a_failure_halfway_leaves_nothing(
    stored: Any, monkeypatch: pytest.MonkeyPatch, there: str
) -> None:
    anndata = pytest.importorskip("anndata")
    before = sorted(path.name for path in stored.iterdir())
    append, done = storing._append, []

    def fail(place: Any, block: Any, at: int) -> None:
        if done:
            raise RuntimeError("the disk is gone")
        done.append(append(place, block, at))

    monkeypatch.setattr(storing, "_append", fail)
    raw = anndata.read_h5ad(stored / "sparse.h5ad", backed="r+")
    how = {"out": str(stored / "new.h5ad")} if there == "new" else {"into": "native"}
    with pytest.raises(RuntimeError, match="the disk is gone"):
        corrected("cells", raw, **how)
    raw.file.close()
    assert sorted(path.name for path in stored.iterdir()) == before
    assert "native" not in anndata.read_h5ad(stored / "sparse.h5ad").layers


def test_a_file_from_memory(tmp_path: Path) -> None:
    anndata = pytest.importorskip("anndata")
    whole = anndata.AnnData(csr_matrix(COUNTS))
    found = corrected("cells", whole, out=str(tmp_path / "new.h5ad"))
    np.testing.assert_allclose(dense(found.to_memory().X), WANT["cells"], rtol=0, atol=1e-9)
    found.file.close()
    whole.layers["raw"] = whole.X
    with pytest.raises(ValueError, match="give into or out, not both"):
        corrected("cells", whole, out="a", into="b")
    with pytest.raises(ValueError, match="a layer of it is not offered"):
        corrected("cells", whole, out="a", layer="raw")


def test_offsets_are_expected_ambient_counts() -> None:
    whole = ambient_offset(TOTAL, DATA.rho, SHARE)
    np.testing.assert_allclose(whole.T, textbook.expected_ambient(TOTAL, DATA.rho, SHARE))
    np.testing.assert_allclose(ambient_offset(TOTAL, DATA.rho, SHARE[3]), whole[:, 3])
    np.testing.assert_allclose(native_exposure(TOTAL, 0.2), 0.8 * TOTAL)
    found = group_offset(TOTAL, DATA.rho, SHARE, DATA.type)
    one = group_offset(TOTAL, DATA.rho, SHARE[3], DATA.type)
    for k, label in enumerate(found.label):
        mine = label == DATA.type
        np.testing.assert_allclose(found.ambient[k], whole[mine].sum(axis=0))
        assert found.exposure[k] == pytest.approx(((1 - DATA.rho) * TOTAL)[mine].sum())
        assert found.total[k] == TOTAL[mine].sum()
    np.testing.assert_allclose(one.ambient, found.ambient[:, 3])
    assert "ambient" in one.to_frame()
    assert "ambient" not in found.to_frame()


def test_offsets_stay_with_the_cells(stored: Any) -> None:
    anndata = pytest.importorskip("anndata")
    raw = anndata.read_h5ad(stored / "sparse.h5ad", backed="r")
    found = annotate_ambient(raw, SHARE, DATA.rho)
    assert found is raw
    product = np.outer(found.obs["ambient_counts"], found.var["ambient_share"])
    np.testing.assert_allclose(product, ambient_offset(TOTAL, DATA.rho, SHARE), rtol=1e-12)
    np.testing.assert_allclose(found.obs["native_exposure"], native_exposure(TOTAL, DATA.rho))
    raw.file.close()
    with pytest.raises(ValueError, match="is no AnnData"):
        annotate_ambient(COUNTS, SHARE, 0.1)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: remove_ambient(COUNTS, SHARE[:3], 0.1), "give one per gene, 40 in all"),
        (lambda: remove_ambient(COUNTS, np.full(40, 0.5), 0.1), "is above 1"),
        (lambda: remove_ambient(COUNTS, SHARE, 1.2), "must lie in"),
        (lambda: remove_ambient(COUNTS, SHARE, [0.1, 0.2]), "give one number, or one for 90 cells"),
        (lambda: remove_ambient(COUNTS, SHARE, 0.1, clusters=[1]), "one label for 90 cells"),
        (lambda: remove_ambient(COUNTS, SHARE, 0.1, total=TOTAL - 1), "is below the counts"),
        (lambda: remove_ambient(COUNTS + 0.5, SHARE, 0.1), "that are no counts"),
        (lambda: remove_ambient(COUNTS, SHARE, 0.1, into="a"), "into and out are for an AnnData"),
    ],
)
def test_wrong_arguments_are_refused(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()
