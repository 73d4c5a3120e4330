"""Textbook and estimators against stored values of SoupX 1.6.2 and DropletUtils 1.18.1."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from refsolve.methods.ambient import (
    ambient_profile,
    donor_contamination,
    find_unexpressed,
    remove_ambient,
)
from refsolve.methods.ambient.textbook import correction, fraction, profile

GOLD = Path(__file__).parents[2] / "gold" / "ambient_count_glm"
MARKER = 0


@cache
def matrix(name: str) -> np.ndarray:
    """(genes, droplets), stored column by column."""
    folder = GOLD / "soup_small"
    size = json.loads((folder / f"{name}_dims.json").read_text())
    p, i, x = (np.fromfile(folder / f"{name}_{part}.bin", "<i4") for part in "pix")
    dense = np.zeros((size["rows"], size["cols"]))
    dense[i, np.repeat(np.arange(size["cols"]), np.diff(p))] = x
    return dense


@cache
def stored(name: str) -> pd.DataFrame:
    return pd.read_csv(GOLD / f"out_soupx_{name}.csv")


@cache
def soup() -> np.ndarray:
    droplets = np.hstack([matrix("cells"), matrix("empties")])
    return profile.profile(droplets[:, profile.small_droplets(droplets.sum(axis=0))])


def fractions() -> dict[str, float]:
    return dict(zip(stored("rho")["what"], stored("rho")["value"], strict=True))


def adjusted(name: str) -> np.ndarray:
    table = stored(f"adjust_{name}")
    dense = np.zeros_like(matrix("cells"))
    dense[table["gene"], table["cell"]] = table["x"]
    return dense


def test_profile() -> None:
    np.testing.assert_allclose(soup(), stored("soup")["est"], rtol=0, atol=1e-15)


def test_fraction_and_interval() -> None:
    cells = matrix("cells")
    found = fraction.pooled(cells[MARKER], cells.sum(axis=0), soup()[MARKER])
    known = fractions()
    assert found.rho == pytest.approx(known["rhoHBB"], abs=1e-10)
    assert found.low == pytest.approx(known["rhoLow"], abs=1e-6)
    assert found.high == pytest.approx(known["rhoHigh"], abs=1e-6)


def test_the_prior_has_the_standard_deviation_that_was_asked_for() -> None:
    """The peer's has 0.336 where 0.10 is stated; with that shape its posterior is reproduced."""
    shape, scale = fraction.prior_shape(0.05, 0.10)
    assert np.sqrt(shape) * scale == pytest.approx(0.10, rel=1e-12)
    assert (shape - 1) * scale == pytest.approx(0.05, rel=1e-12)
    v2 = (0.10 / 0.05) ** 2
    wrong = 1 + v2**-2 / 2 * (1 + np.sqrt(1 + 4 * v2))
    genes, known = stored("auto_estimates"), stored("auto_posterior")
    density = fraction.averaged_posterior(
        genes["obsCnt"].to_numpy(), genes["expCnt"].to_numpy(), wrong, 0.05 / (wrong - 1),
        known["probe"].to_numpy(),
    )  # fmt: skip
    gap = np.abs(density - known["dens"])[1:]
    assert gap.max() < 1e-12 * known["dens"].max()
    assert np.sqrt(wrong) * 0.05 / (wrong - 1) == pytest.approx(0.336, abs=1e-3)


@pytest.mark.parametrize("name", ["clusters", "noclusters"])
def test_exact_removal(name: str) -> None:
    cells = matrix("cells")
    amount = fractions()["rhoHBB"] * cells.sum(axis=0)
    if name == "clusters":
        cluster = np.loadtxt(GOLD / "soup_small" / "types.csv")
        found = correction.by_cluster(cells, soup(), amount, cluster)
    else:
        found = correction.filled(cells, soup(), amount)
    np.testing.assert_allclose(found, adjusted(name), rtol=0, atol=1e-9)
    np.testing.assert_allclose((cells - found).sum(), amount.sum(), rtol=1e-12)


def test_contamination_of_types() -> None:
    """Sums of types, with the peer's own smoothed profile."""
    share = pd.read_csv(GOLD / "out_dropletutils_ambient_goodturing.csv")["ambient_gt"].to_numpy()
    known = pd.read_csv(GOLD / "out_dropletutils_scales.csv")["frac_negative"]
    types, cells = np.loadtxt(GOLD / "soup_small" / "types.csv"), matrix("cells")
    sums = np.column_stack([cells[:, types == t].sum(axis=1) for t in range(4)])
    found = fraction.ratio(sums[MARKER], sums.sum(axis=0), share[MARKER])
    np.testing.assert_allclose(found, known, rtol=1e-12)
    np.testing.assert_allclose(share, soup(), rtol=0, atol=2e-4)


# --- estimators --------------------------------------------------------------------------------


@cache
def droplets() -> csr_array:
    """(droplets, genes)."""
    return csr_array(np.hstack([matrix("cells"), matrix("empties")]).T)


def test_estimated_profile() -> None:
    found = ambient_profile(droplets())
    np.testing.assert_allclose(found.share, stored("soup")["est"], rtol=0, atol=1e-15)
    phi = profile.overdispersion(
        np.hstack([matrix("cells"), matrix("empties")])[
            :, profile.small_droplets(np.asarray(droplets().sum(axis=1)).ravel())
        ],
        soup(),
    )
    assert found.overdispersion == pytest.approx(phi, rel=1e-9)


def test_estimated_fraction_and_interval() -> None:
    """The peer takes the profile as known; its error makes the interval wider."""
    cells, known = matrix("cells"), fractions()
    found = ambient_profile(droplets())
    ends = []
    for se in (0.0, found.se[MARKER]):
        one = donor_contamination(
            cells[MARKER], cells.sum(axis=0), None, found.share[MARKER], share_se=se
        )
        assert one.rho[0] == pytest.approx(known["rhoHBB"], abs=1e-9)
        ends.append((one.low[0], one.high[0]))
    np.testing.assert_allclose(ends[0], [known["rhoLow"], known["rhoHigh"]], rtol=0, atol=1e-6)
    assert ends[1][0] < ends[0][0] < ends[0][1] < ends[1][1]


def test_estimated_fraction_of_types() -> None:
    share = pd.read_csv(GOLD / "out_dropletutils_ambient_goodturing.csv")["ambient_gt"].to_numpy()
    known = pd.read_csv(GOLD / "out_dropletutils_scales.csv")["frac_negative"]
    types, cells = np.loadtxt(GOLD / "soup_small" / "types.csv"), matrix("cells")
    found = donor_contamination(cells[MARKER], cells.sum(axis=0), types, share[MARKER])
    np.testing.assert_allclose(found.rho, known, rtol=1e-12)


@pytest.mark.parametrize("name", ["clusters", "noclusters"])
def test_exact_removal_of_matrices(name: str) -> None:
    clusters = np.loadtxt(GOLD / "soup_small" / "types.csv") if name == "clusters" else None
    found = remove_ambient(
        csr_array(matrix("cells").T), soup(), fractions()["rhoHBB"], clusters=clusters
    )
    np.testing.assert_allclose(found.toarray().T, adjusted(name), rtol=0, atol=1e-6)


def test_genes_that_populations_do_not_express() -> None:
    """All pairs of the peer, of gene and population, are found; the prior is not the peer's."""
    found = find_unexpressed(
        csr_array(matrix("cells").T), np.loadtxt(GOLD / "soup_small" / "types.csv"),
        ambient_profile(droplets()), specific=0.5, quantile=0.5,
    )  # fmt: skip
    known = stored("auto_estimates")
    ours = {
        (f"g{gene}", int(count), round(expected, 6))
        for gene, count, expected in zip(found.gene, found.observed, found.expected, strict=True)
    }
    theirs = zip(known["gene"], known["obsCnt"], known["expCnt"].round(6), strict=True)
    assert {(gene, int(count), expected) for gene, count, expected in theirs} <= ours
    assert found.rho == pytest.approx(fractions()["rhoAuto"], abs=0.005)
    assert found.low < fractions()["rhoHBB"] < found.high
