"""Donors, tables and chromosomes are matched by name; what does not fit is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from refsolve.core.errors import AnalysisError
from refsolve.methods.count_glm import (
    make_genotypes,
)
from tests.methods.count_glm.scans import data, run, source


def test_donors_are_aligned_by_name() -> None:
    d, rng = data(), np.random.default_rng(4)
    names = np.array([f"D{k:02d}" for k in range(60)])
    order = rng.permutation(60)
    named = source(dosage=d.genotypes[:, order], sample=names[order])
    found = run(genotypes=named, donors=names)
    np.testing.assert_allclose(found.test_p, run().test_p, rtol=1e-9)
    some = source(dosage=d.genotypes[:, order[:50]], sample=[*names[order[:49]], "new"])
    part = run(genotypes=some, donors=names)
    assert part.n_donors == 49
    assert set(part.without_genotypes) == set(names[order[49:]])
    assert part.without_counts == ("new",)
    assert "11 without genotypes and 1 without counts left out" in part.summary()


def test_tables_are_aligned_by_their_labels() -> None:
    d, rng = data(), np.random.default_rng(5)
    names, order = [f"D{k:02d}" for k in range(60)], rng.permutation(60)
    table = pd.DataFrame(d.covariates, index=names).iloc[order]
    exposure = pd.Series(d.exposure, index=names).iloc[order[::-1]]
    counts = pd.DataFrame(d.counts, columns=names, index=list("abcdef"))
    found = run(genotypes=source(sample=names), counts=counts, covariates=table, exposure=exposure)
    np.testing.assert_allclose(found.test_p, run().test_p, rtol=1e-9)
    assert list(found.gene) == list("abcdef")
    positional = run(donors=names, covariates=pd.DataFrame(d.covariates))
    np.testing.assert_allclose(positional.test_p, found.test_p, rtol=1e-9)
    numbers = [str(k) for k in order]
    by_number = pd.DataFrame(d.covariates, index=np.arange(60.0))
    found = run(
        donors=numbers, covariates=by_number, counts=d.counts[:, order],
        ambient=d.ambient[:, order], exposure=d.exposure[order],
        genotypes=source(sample=np.arange(60.0)),
    )  # fmt: skip
    np.testing.assert_allclose(found.test_p, run().test_p, rtol=1e-9)
    with pytest.raises(ValueError, match="rows of covariates are names of donors too"):
        run(donors=numbers, covariates=pd.DataFrame(d.covariates))
    with pytest.raises(ValueError, match="index of covariates has no 'D00'"):
        run(counts=counts, covariates=table.rename(index=str.lower))
    with pytest.raises(ValueError, match="index of exposure has a donor twice"):
        run(counts=counts, exposure=pd.concat([exposure, exposure]))
    with pytest.raises(ValueError, match="another order"):
        run(counts=counts, donors=names[::-1])


def test_chromosomes_are_named_alike() -> None:
    d = data()
    other = [f"chr{c}" for c in d.gene_chromosome]
    numbers = d.gene_chromosome.astype(float)
    for chromosome in (other, numbers):
        np.testing.assert_array_equal(run(gene_chromosome=chromosome).test_p, run().test_p)


def test_defaults_of_exposure() -> None:
    d = data()
    a = run(exposure=None, ambient=None)
    b = run(exposure=d.counts.sum(axis=0), ambient=np.zeros(d.counts.shape))
    np.testing.assert_allclose(a.test_p, b.test_p, rtol=1e-12)
    sparse = run(counts=csr_array(d.counts))
    np.testing.assert_allclose(sparse.test_p, run().test_p, rtol=1e-12)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"family": "gaussian"}, "family = 'gaussian' is not known"),
        ({"dispersion": "x"}, "dispersion = 'x' is not known"),
        ({"counts": np.full((6, 60), -1)}, "counts.*must be a finite count"),
        ({"counts": np.ones(60)}, "1 dimensions; expected genes by donors"),
        ({"exposure": np.zeros(60)}, "exposure.*must be above zero"),
        ({"exposure": np.ones(59)}, "exposure has the shape"),
        ({"ambient": np.full((6, 60), -1.0)}, "ambient.*must not be negative"),
        ({"ambient": np.full((6, 60), np.nan)}, "ambient.*must be finite"),
        ({"genes": ["a"]}, "genes has 1 names for 6"),
        ({"donors": ["a"]}, "donors has 1 names for 60"),
        ({"donors": ["a"] * 60}, "names a donor twice"),
        ({"covariates": np.ones(60)}, "covariates have the shape"),
        ({"covariates": np.full((60, 1), np.nan)}, "covariates.*must be finite"),
        ({"gene_position": [1], "gene_chromosome": ["1"]}, "gene_position has 1 genes"),
        ({"gene_position": [1]}, "one chromosome and one position"),
        ({"window": -1}, "window = -1 bases"),
        ({"window": 10**18}, "window = 1000000000000000000 bases"),
        ({"permutations": -1}, "permutations = -1"),
        ({"permutations": 2}, "permutations = 2; take none, or at least 20"),
        ({"least_copies": np.nan}, "least_copies"),
        ({"exposure": None}, "ambient needs exposure"),
        ({"gene_chromosome": ["z"] * 6}, "chromosomes such as 'z' and variants on others such as"),
    ],
)
def test_arguments_that_do_not_fit(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        run(**change)


def test_donors_that_cannot_be_aligned() -> None:
    named = source(sample=[f"D{k}" for k in range(60)])
    with pytest.raises(ValueError, match="pass donors to align"):
        run(genotypes=named)
    with pytest.raises(ValueError, match="sample names a donor twice"):
        source(sample=["a"] * 60)
    with pytest.raises(ValueError, match="no donor has both.*'0'.*'D0'"):
        run(genotypes=named, donors=range(60))
    with pytest.raises(ValueError, match="59 donors have genotypes and 60 counts"):
        run(genotypes=source(dosage=data().genotypes[:, 1:]))


def test_covariates_that_are_no_design() -> None:
    d = data()
    twice = np.column_stack([d.covariates, d.covariates[:, 1]])
    with pytest.raises(AnalysisError, match="singular"):
        run(covariates=twice)
    many = np.random.default_rng(1).standard_normal((60, 59))
    with pytest.raises(AnalysisError, match="60 donors cannot tell a variant beside 59"):
        run(covariates=many)
    with pytest.raises(AnalysisError, match="cannot"):
        run(covariates=many, family="mixed")


@pytest.mark.parametrize(
    "arguments, words",
    [
        (([[3.0]], "1", [1]), "is no number of copies"),
        ((["a"], "1", [1]), "variants by donors"),
        (([[1, 2]], ["1", "2"], [1]), "chromosome has 2 entries; expected 1"),
        (([[1, 2]], "1", [1, 2]), "position has the shape"),
    ],
)
def test_arrays_that_are_no_genotypes(arguments: tuple[Any, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make_genotypes(*arguments)
