"""Figures of scans show what they are given."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest

from refsolve.methods.count_glm import ScanDesign, make_genotypes, map_cis, plot, simulate_scan

mpl.use("Agg")
import matplotlib.pyplot as plt


@pytest.fixture(autouse=True)
def _closed() -> object:
    yield
    plt.close("all")


def test_quantiles() -> None:
    ax = plot.plot_quantiles({"all": [0.5, np.nan, 0.01], "none": []})
    expected, seen = ax.lines[0].get_data()
    np.testing.assert_allclose(seen, [2.0, -np.log10(0.5)])
    np.testing.assert_allclose(expected, -np.log10([0.25, 0.75]))
    many = plot.plot_quantiles({str(k): [0.5] for k in range(6)})
    assert len(many.lines) == 7


def test_a_locus() -> None:
    d = simulate_scan(ScanDesign(genes=2, variants=8, donors=40), rng=1)
    known = make_genotypes(d.genotypes, d.variant_chromosome, d.variant_position)
    scan = map_cis(
        d.counts, known, d.covariates, gene_chromosome=d.gene_chromosome,
        gene_position=d.gene_position, genes=["a", "b"], window=100_000, least_copies=30,
    )  # fmt: skip
    ax = plot.plot_locus(scan, "b")
    shown = sum(line.get_xdata().size for line in ax.lines[:2])
    assert shown == scan.n_variants[1]
    assert ax.lines[1].get_xdata().size == (scan.test_flag[scan.test_gene == 1] > 0).sum()
    if scan.lead[1] >= 0:
        assert ax.lines[2].get_xdata() == pytest.approx(scan.position[scan.lead[1]] / 1e6)
    with pytest.raises(ValueError, match="'c' was not tested"):
        plot.plot_locus(scan, "c")
