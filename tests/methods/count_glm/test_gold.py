"""Textbook and estimators against stored values of statsmodels, jaxQTL, quasar and lme4."""

from __future__ import annotations

from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from refsolve.methods.count_glm import fit_counts, fit_donors
from refsolve.methods.count_glm.textbook import likelihood, mixed, testing

GOLD = Path(__file__).parents[2] / "gold" / "ambient_count_glm"
SNPS = 20
NOTHING = np.zeros(100)


@cache
def bulk() -> dict[str, np.ndarray]:
    with np.load(GOLD / "pb_small" / "pb.npz") as data:
        return {name: data[name] for name in data.files}


def gene(j: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Counts, covariates, exposure, and genotypes (variants, donors)."""
    data = bulk()
    x = np.column_stack([np.ones(100), data["cov"]])
    return (
        data["Y"][j] * 1.0,
        x,
        data["Y"].sum(axis=0) * 1.0,
        data["G"][j * SNPS : (j + 1) * SNPS] * 1.0,
    )


@cache
def fits() -> pd.DataFrame:
    rows = []
    for j in range(20):
        y, x, exposure, g = gene(j)
        causal = int(bulk()["causal"][j])
        full = np.column_stack([x, g[causal]])
        poisson = likelihood.fit(y, full, exposure, NOTHING)
        alpha = likelihood.dispersion(y, full, exposure, NOTHING)
        one = likelihood.fit(y, full, exposure, NOTHING, alpha)
        null_alpha = likelihood.dispersion(y, x, exposure, NOTHING)
        null = likelihood.fit(y, x, exposure, NOTHING, null_alpha)
        score = testing.score_test(y, x, null, null_alpha, g)
        rows.append(
            {
                "pois_beta": poisson.beta[-1], "pois_se": np.sqrt(poisson.covariance[-1, -1]),
                "nb_beta": one.beta[-1], "nb_alpha": alpha, "nb_ll": one.log_likelihood,
                "null_ll": null.log_likelihood, "null_alpha": null_alpha,
                "lrt": 2 * (one.log_likelihood - null.log_likelihood),
                "score_chi2": score.statistic[causal],
                "score_onestep_beta": score.effect[causal], "p": score.p, "effect": score.effect,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    "column, tolerance",
    [
        ("pois_beta", 1e-9), ("pois_se", 1e-8), ("nb_beta", 1e-6), ("nb_alpha", 1e-6),
        ("nb_ll", 1e-8), ("null_ll", 1e-8), ("null_alpha", 1e-6), ("lrt", 1e-7),
        ("score_chi2", 5e-6), ("score_onestep_beta", 1e-6),
    ],
)  # fmt: skip
def test_regressions_of_donor_totals(column: str, tolerance: float) -> None:
    known = pd.read_csv(GOLD / "out_statsmodels_nb.csv")
    np.testing.assert_allclose(fits()[column], known[column], rtol=0, atol=tolerance)


def test_score_tests_of_all_variants() -> None:
    """The peer stops its search for the dispersion early."""
    known = pd.read_csv(GOLD / "out_jaxqtl_score.csv")
    p, effect = np.concatenate(fits()["p"]), np.concatenate(fits()["effect"])
    np.testing.assert_allclose(np.log10(p), np.log10(known["pvalue"]), rtol=0, atol=3e-3)
    np.testing.assert_allclose(effect, known["beta"], rtol=0, atol=5e-4)


def test_the_sign_of_a_peer_is_that_of_the_other_allele() -> None:
    """Effects of quasar are per copy of the sixth column of the bim file; a few tests are lost."""
    theirs = pd.read_csv(GOLD / "out_quasar_mle-quasar-cis-variant.txt", sep="\t")
    ours = pd.read_csv(GOLD / "out_jaxqtl_score.csv")
    both = theirs.merge(ours, left_on=["feature_id", "pos"], right_on=["phenotype_id", "pos"])
    assert len(theirs) < len(ours)
    assert np.corrcoef(both["beta_x"], both["beta_y"])[0, 1] < -0.99
    assert np.corrcoef(np.log10(both["pvalue_x"]), np.log10(both["pvalue_y"]))[0, 1] > 0.99


@cache
def generator() -> ModuleType:
    spec = spec_from_file_location("gen_b", GOLD / "generator" / "gen_b.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def cells(size: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Counts, covariates, exposure and donors of 2,000 stored or 20,000 generated cells."""
    if size == "small":
        with np.load(GOLD / "glmm_small" / "glmm.npz") as stored:
            data = {name: stored[name] for name in stored.files}
    else:
        data = generator().glmm(2)
    y, batch = data["y"] * 1.0, data["batch"]
    x = np.column_stack([np.ones(y.size), data["g"], *(batch == b for b in range(1, 5))])
    return y, x.astype(float), data["s"], data["donor"].astype(np.int64)


def glmer(size: str, nodes: int) -> pd.DataFrame:
    known = pd.read_csv(GOLD / f"out_glmm_{size}.csv").set_index("model")
    return known.loc[f"glmer_poisson_nAGQ{nodes}"].set_index("term")


def test_the_generator_makes_the_stored_cells() -> None:
    y, _, exposure, donor = cells("small")
    again = generator().glmm(5, C=20)
    np.testing.assert_array_equal(again["y"], y)
    np.testing.assert_array_equal(again["s"], exposure)
    np.testing.assert_array_equal(again["donor"], donor)


@pytest.mark.parametrize("size, tolerance", [("small", 2e-4), ("20k", 5e-5)])
@pytest.mark.parametrize("nodes", [1, 10])
def test_donor_intercepts_from_totals(size: str, nodes: int, tolerance: float) -> None:
    y, x, s, donor = cells(size)
    total, rows, exposure, ambient = mixed.totals(y, x, s, np.zeros(y.size), donor)
    found = mixed.fit_mixed(total, rows, exposure, ambient, np.arange(total.size), nodes=nodes)
    known = glmer(size, nodes)
    np.testing.assert_allclose(found.beta, known["est"].to_numpy()[:6], rtol=0, atol=tolerance)
    assert found.sd == pytest.approx(known.loc["sd_donor", "est"], abs=1e-4)
    if nodes > 1:
        se = np.sqrt(np.diag(found.covariance))
        np.testing.assert_allclose(se, known["se"].to_numpy()[:6], rtol=0, atol=1e-4)


# --- estimators --------------------------------------------------------------------------------


def test_fits_of_donor_totals() -> None:
    known = pd.read_csv(GOLD / "out_statsmodels_nb.csv")
    for j in range(20):
        y, x, exposure, g = gene(j)
        full = np.column_stack([x, g[int(bulk()["causal"][j])]])
        poisson = fit_counts(y, full, exposure, family="poisson")
        assert poisson.effect[-1] == pytest.approx(known["pois_beta"][j], abs=1e-8)
        assert poisson.se[-1] == pytest.approx(known["pois_se"][j], abs=1e-8)
        one = fit_counts(y, full, exposure, family="negative_binomial", dispersion="profile")
        assert one.effect[-1] == pytest.approx(known["nb_beta"][j], abs=1e-6)
        assert one.dispersion == pytest.approx(known["nb_alpha"][j], abs=1e-6)
        assert one.log_likelihood == pytest.approx(known["nb_ll"][j], abs=1e-7)


@pytest.mark.parametrize("size, tolerance", [("small", 2e-4), ("20k", 5e-5)])
@pytest.mark.parametrize("nodes", [1, 10])
def test_donor_intercepts_of_cells(size: str, nodes: int, tolerance: float) -> None:
    """Sums of donors stand for 20,000 cells."""
    y, x, exposure, donor = cells(size)
    found = fit_donors(y, x, exposure, donor, nodes=nodes, spread="ml")
    assert found.collapsed
    known = glmer(size, nodes)
    np.testing.assert_allclose(found.effect, known["est"].to_numpy()[:6], rtol=0, atol=tolerance)
    assert found.sd == pytest.approx(known.loc["sd_donor", "est"], abs=1e-4)
    # with one node and few cells the peer's errors are 0.2 % from those of its own likelihood
    error = 1e-4 if nodes > 1 else 3e-4
    np.testing.assert_allclose(found.se, known["se"].to_numpy()[:6], rtol=0, atol=error)
    if nodes == 1:
        assert found.log_likelihood == pytest.approx(known.loc["logLik", "est"], abs=1e-3)


@pytest.mark.parametrize("nodes", [1, 10])
def test_donor_intercepts_without_sums(nodes: int) -> None:
    y, x, exposure, donor = cells("small")
    found = fit_donors(y, x, exposure, donor, nodes=nodes, spread="ml", collapse="never")
    sums = fit_donors(y, x, exposure, donor, nodes=nodes, spread="ml")
    np.testing.assert_allclose(found.effect, sums.effect, rtol=0, atol=1e-6)
    assert found.sd == pytest.approx(sums.sd, abs=1e-6)
    assert found.log_likelihood == pytest.approx(sums.log_likelihood, abs=1e-4)
