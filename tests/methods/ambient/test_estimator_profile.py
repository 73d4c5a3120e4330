"""Profile, call of droplets, and their forms of input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import coo_array, csc_array, csr_array, csr_matrix

from refsolve.core.errors import AnalysisError
from refsolve.methods.ambient import (
    DropletDesign,
    ambient_profile,
    ambient_shares,
    call_droplets,
    knee,
    simulate_droplets,
)
from refsolve.methods.ambient.model import matrices
from refsolve.methods.ambient.textbook import profile as textbook

DATA = simulate_droplets(DropletDesign(cells=120, empties=1500, genes=60), rng=4)


def wide(matrix: Any) -> csr_array:
    out = csr_array(matrix)
    out.indices, out.indptr = out.indices.astype(np.int64), out.indptr.astype(np.int64)
    return out


@pytest.mark.parametrize(
    "form", [np.asarray, csr_array, csr_matrix, csc_array, coo_array, wide, np.float32, np.int16]
)
def test_profile_of_every_form(form: Any) -> None:
    dense = DATA.counts.toarray()
    found = ambient_profile(form(dense))
    small = textbook.small_droplets(dense.sum(axis=1))
    np.testing.assert_allclose(found.share, textbook.profile(dense[small].T), rtol=1e-12)
    phi = textbook.overdispersion(dense[small].T, found.share)
    assert found.overdispersion == pytest.approx(phi, rel=1e-9)
    assert found.n_droplets == (small & (dense.sum(axis=1) > 0)).sum()
    assert found.total == dense[small].sum()


def test_profile_of_annotated_data_and_of_files(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    anndata = pytest.importorskip("anndata")
    whole = anndata.AnnData(csr_matrix(DATA.counts))
    whole.var_names = [f"g{k}" for k in range(60)]
    whole.layers["raw"] = whole.X * 1
    want = ambient_profile(DATA.counts)
    assert list(ambient_profile(whole).genes[:2]) == ["g0", "g1"]
    np.testing.assert_array_equal(ambient_profile(whole, layer="raw").share, want.share)
    whole.write_h5ad(tmp_path / "sparse.h5ad")
    whole.X = DATA.counts.toarray()
    whole.write_h5ad(tmp_path / "dense.h5ad")
    monkeypatch.setattr(matrices, "SPARSE_ROWS", 101)
    monkeypatch.setattr(matrices, "DENSE_VALUES", 60 * 101)
    for name in ("sparse", "dense"):
        backed = anndata.read_h5ad(tmp_path / f"{name}.h5ad", backed="r")
        found = ambient_profile(backed)
        np.testing.assert_array_equal(found.share, want.share)
        np.testing.assert_allclose(found.se, want.se, rtol=1e-12)
        backed.file.close()


def test_files_by_gene_are_refused(tmp_path: Any) -> None:
    anndata = pytest.importorskip("anndata")
    anndata.AnnData(csc_array(DATA.counts)).write_h5ad(tmp_path / "a.h5ad")
    backed = anndata.read_h5ad(tmp_path / "a.h5ad", backed="r")
    with pytest.raises(ValueError, match="write it again with compressed rows"):
        ambient_profile(backed)
    backed.file.close()


def test_shares_of_few_genes_are_of_all_counts() -> None:
    empties = DATA.empties.toarray()
    total = empties.sum(axis=1)
    some, whole = ambient_shares(empties[:, :4], total), ambient_profile(empties, high=np.inf)
    np.testing.assert_allclose(some.share, whole.share[:4], rtol=1e-12)
    np.testing.assert_allclose(some.gene_overdispersion, whole.gene_overdispersion[:4], rtol=1e-9)
    assert some.to_frame().shape == (4, 5)


def test_overdispersion_widens_the_error() -> None:
    rough = simulate_droplets(DropletDesign(cells=2, empties=1500, genes=60, phi=4.0), rng=1)
    smooth, wide_ = ambient_profile(DATA.empties), ambient_profile(rough.empties)
    assert smooth.overdispersion == pytest.approx(1.0, abs=0.05)
    assert wide_.overdispersion > 2.0
    seen = wide_.share > 0
    z = (wide_.share - rough.ambient)[seen] / wide_.se[seen]
    assert 0.7 < z.std() < 1.3
    plain = textbook.share_error(wide_.share, wide_.total)
    assert (wide_.se[:10] > 1.3 * plain[:10]).all()


def test_a_prior_steadies_few_droplets() -> None:
    few = DATA.empties[:20]
    pooled = ambient_profile(DATA.empties)
    alone = ambient_profile(few)
    steadied = ambient_profile(few, prior=(pooled.share, 1000.0))
    truth = DATA.ambient
    assert np.abs(steadied.share - truth).sum() < 0.5 * np.abs(alone.share - truth).sum()
    assert steadied.share.sum() == pytest.approx(1.0)
    y = alone.counts
    want = (y + 1000.0 * pooled.share) / (alone.total + 1000.0)
    np.testing.assert_allclose(steadied.share, want, rtol=1e-12)


def test_a_gene_without_counts_has_no_share() -> None:
    found = ambient_shares([[0, 3], [0, 1]], [50, 50])
    assert found.share[0] == 0.0
    assert np.isnan(found.gene_overdispersion[0])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([[1, 2]], [2.0]), "exceeds that of the totals"),
        (([[1.5, 2]], [20.0, 30.0]), "total has 2 values for 1 cells"),
        (([1.5, 2], [20.0, 30.0]), "expected cells by genes"),
        (([[1, 2]], [-4.0]), "must lie in"),
        (([[1, 2]], [20.0], {"genes": ["a"]}), "give one per column"),
        (([[1, 2]], [20.0], {"prior": ([0.1], 5.0)}), "give one per gene"),
    ],
)
def test_wrong_shares_are_refused(arguments: Any, words: str) -> None:
    given, total, *rest = arguments
    with pytest.raises(ValueError, match=words):
        ambient_shares(given, total, **(rest[0] if rest else {}))


def test_values_that_are_no_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="2 numbers that are no counts"):
        ambient_profile(np.array([[0.5, 2.0], [-1.0, 3.0]]))
    with pytest.raises(ValueError, match="layer is for an AnnData"):
        ambient_profile(np.ones((2, 2)), layer="raw")
    with pytest.raises(ValueError, match="one truth value"):
        ambient_profile(np.ones((2, 2)), empty=[1, 0])


def test_no_empty_droplet_is_an_analysis_error() -> None:
    with pytest.raises(AnalysisError, match="no droplet is empty"):
        ambient_profile(np.full((3, 2), 500))
    with pytest.raises(AnalysisError, match="between 10 and 100 counts"):
        call_droplets(np.full((3, 2), 500))


def test_absent_layers_are_named() -> None:
    anndata = pytest.importorskip("anndata")
    whole = anndata.AnnData(np.ones((2, 2)))
    with pytest.raises(ValueError, match="layer 'raw' is not in the AnnData; there is none"):
        ambient_profile(whole, layer="raw")


def test_knee_is_the_textbook_one() -> None:
    total = DATA.totals
    found = knee(total, lower=100)
    assert (found.knee, found.inflection) == textbook.knee(total[total >= 100])
    assert np.isnan(knee([5, 5, 5]).knee)


@pytest.mark.slow
def test_droplets_are_called() -> None:
    design = DropletDesign(
        cells=150, empties=2500, genes=200, leak=300, type_spread=2.0, rho=(0.05,)
    )
    data = simulate_droplets(design, rng=7)
    found = call_droplets(data.counts, draws=2000, rng=1)
    is_cell = np.arange(data.counts.shape[0]) < 150
    assert found.cell[is_cell].mean() > 0.98
    assert found.cell[~is_cell].sum() <= 2
    plain = ambient_profile(data.counts, low=10)
    assert abs(found.profile.share[0] - 0.02) < 0.5 * abs(plain.share[0] - 0.02)
    assert found.n_leaked > 100
    assert found.empty.sum() == found.profile.n_droplets
    assert not (found.cell & found.empty).any()
    again = call_droplets(csc_array(data.counts), draws=2000, rng=1)
    np.testing.assert_array_equal(again.p, found.p)
    assert found.to_frame().shape == (data.counts.shape[0], 5)


def test_empty_droplets_have_uniform_p_values() -> None:
    data = simulate_droplets(DropletDesign(cells=2, empties=3000, genes=80), rng=3)
    found = call_droplets(data.empties, draws=3000, rng=2)
    p = found.p[np.isfinite(found.p)]
    assert p.size > 2000
    for level in (0.01, 0.05, 0.5):
        error = np.sqrt(level * (1 - level) / p.size)
        assert np.mean(p <= level) == pytest.approx(level, abs=4 * error + 0.01)
    assert found.cell.sum() == 0


def drawn(
    size: np.ndarray, share: np.ndarray, rng: np.random.Generator, alpha: float = np.inf
) -> np.ndarray:
    mix = [share if alpha == np.inf else rng.dirichlet(alpha * share) for _ in size]
    return np.array([rng.multinomial(n, p) for n, p in zip(size, mix, strict=True)])


@pytest.mark.slow
def test_overdispersed_ambient_rna_is_no_cell() -> None:
    rng = np.random.default_rng(3)
    share = rng.dirichlet(np.full(200, 0.5))
    size = np.exp(rng.normal(np.log(60), 0.8, 4000)).astype(int)
    found = call_droplets(drawn(size, share, rng, alpha=500.0), draws=2000, rng=1)
    assert 300 < found.alpha < 900
    assert found.n_tested > 500
    assert (found.cell & np.isfinite(found.q)).sum() <= 1
    plain = call_droplets(drawn(size, share, rng), draws=1000, rng=1)
    assert plain.alpha > 5000


def test_sure_cells_count_as_discoveries() -> None:
    """A few draws cannot make p values small enough alone."""
    rng = np.random.default_rng(4)
    own, share = rng.dirichlet(np.full(60, 0.3), 2)
    cells = np.r_[np.full(300, 1500), rng.integers(150, 450, 40)]
    empty = np.r_[rng.integers(20, 90, 600), rng.integers(110, 300, 200)]
    counts = np.vstack([drawn(cells, own, rng), drawn(empty, share, rng)])
    found = call_droplets(counts, draws=300, rng=1)
    assert found.cell[:340].mean() > 0.95
    assert found.cell[340:].sum() <= 10
    few = call_droplets(counts[300:], draws=100, rng=1)
    assert few.n_limited > 20


def test_a_window_without_empty_droplets_is_refused() -> None:
    rng = np.random.default_rng(5)
    share = rng.dirichlet(np.full(300, 0.5))
    size = np.r_[rng.integers(300, 900, 200), 40, 50, 60]
    with pytest.raises(AnalysisError, match="hold 150 counts for 300 genes"):
        call_droplets(drawn(size, share, rng), draws=50)


def test_columns_of_a_table_are_genes() -> None:
    table = pd.DataFrame(DATA.counts.toarray()[:, :3], columns=["a", "b", "c"])
    assert ambient_profile(table, high=np.inf).genes.tolist() == ["a", "b", "c"]


def test_large_droplets_are_cells() -> None:
    found = call_droplets(DATA.counts, draws=300, rng=1)
    assert found.cell[:120].mean() > 0.95
    assert found.cell[120:].sum() <= 2
    assert found.to_frame().shape == (DATA.counts.shape[0], 5)


def test_wrong_calls_are_refused() -> None:
    with pytest.raises(ValueError, match="draws = 0"):
        call_droplets(DATA.counts, draws=0)
    with pytest.raises(ValueError, match="level = 0"):
        call_droplets(DATA.counts, level=0.0)
