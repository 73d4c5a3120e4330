"""Tests of one covariate, formulas, and diagnostics."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import chi2
from scipy.stats import f as fisher
from scipy.stats import t as student

from refsolve.core import extras
from refsolve.core.errors import AnalysisError, MissingDependencyError
from refsolve.methods.count_glm import (
    ambient_exposure,
    covariate_test,
    diagnose,
    fit_counts,
    fit_donors,
    fit_formula,
    gate_check,
)
from refsolve.methods.count_glm.textbook import likelihood as book
from refsolve.methods.count_glm.textbook import testing
from tests.methods.count_glm.rows import cells, donors

METHODS = ("score", "wald", "likelihood_ratio")


def test_score_test_is_that_of_the_textbook() -> None:
    y, x, e = donors(1)
    null, g = x[:, [0, 2]], x[:, 1]
    got = covariate_test(y, null, e, g, family="negative_binomial")
    one = book.fit(y, null, e.native, e.ambient, got.dispersion)
    want = testing.score_test(y, null, one, got.dispersion, g[np.newaxis])
    for name in ("effect", "se", "statistic", "p"):
        assert getattr(got, name) == pytest.approx(float(getattr(want, name)[0]), rel=1e-5)


def test_likelihood_ratio_at_one_dispersion_is_that_of_the_textbook() -> None:
    y, x, e = donors(2)
    null, g = x[:, [0, 2]], x[:, 1]
    got = covariate_test(
        y, null, e, g, family="negative_binomial", dispersion=0.1, method="likelihood_ratio"
    )
    want = testing.likelihood_ratio(y, null, e.native, e.ambient, 0.1, g)
    assert (got.statistic, got.p) == pytest.approx(want, rel=1e-6)


def test_each_fit_has_its_own_unadjusted_dispersion() -> None:
    y, x, e = donors(3)
    got = covariate_test(
        y, x[:, [0, 2]], e, x[:, 1],
        family="negative_binomial", dispersion="profile", method="likelihood_ratio",
    )  # fmt: skip
    both = [
        fit_counts(y, m, e, family="negative_binomial", dispersion="profile").log_likelihood
        for m in (x, x[:, [0, 2]])
    ]
    assert got.statistic == pytest.approx(2.0 * (both[0] - both[1]), abs=1e-8)


@pytest.mark.parametrize(
    "family", ["quasi_native", "quasi_poisson", "negative_binomial", "poisson"]
)
@pytest.mark.parametrize("method", METHODS)
def test_coding_and_scale_of_the_covariate_do_not_matter(method: str, family: str) -> None:
    y, x, e = donors(4)
    if (method, family) == ("likelihood_ratio", "quasi_native"):
        with pytest.raises(ValueError, match="needs a likelihood"):
            covariate_test(y, x[:, [0, 2]], e, x[:, 1], method=method, family=family)
        return
    a, b = (
        covariate_test(y, x[:, [0, 2]], e, g, method=method, family=family)
        for g in (x[:, 1], 7.0 - 3.0 * x[:, 1])
    )
    assert b.statistic == pytest.approx(a.statistic, rel=1e-5)
    assert b.effect == pytest.approx(-a.effect / 3.0, rel=1e-5)
    assert 0.0 < a.p < 1.0


def test_tests_of_many_rows_agree() -> None:
    y, x, e = donors(5, n=200)
    y = np.random.default_rng(1).permutation(y)
    found = [
        covariate_test(y, x[:, [0, 2]], e, x[:, 1], method=m, family="negative_binomial").p
        for m in METHODS
    ]
    assert max(found) - min(found) < 0.02


@pytest.mark.parametrize("method", ["score", "likelihood_ratio"])
def test_quasi_likelihood_has_the_tail_of_its_scale(method: str) -> None:
    y, x, e = donors(5, n=12)
    got = covariate_test(y, x[:, [0, 2]], e, x[:, 1], method=method, family="quasi_poisson")
    rows = {"score": 2, "likelihood_ratio": 3}[method]
    assert got.df == 12 - rows
    assert got.p == pytest.approx(fisher.sf(got.statistic, 1, 12 - rows), rel=1e-12)
    known = covariate_test(y, x[:, [0, 2]], e, x[:, 1], method=method, family="poisson")
    assert known.p == pytest.approx(chi2.sf(known.statistic, 1), rel=1e-12)


def test_a_covariate_that_others_make_is_refused() -> None:
    y, x, e = donors(6)
    with pytest.raises(AnalysisError, match="the tested covariate is a combination of x0, x2"):
        covariate_test(y, x, e, 2.0 * x[:, 0] + x[:, 2])
    with pytest.raises(ValueError, match="method = 'rank' is not known"):
        covariate_test(y, x, e, x[:, 1], method="rank")


def test_a_gene_without_counts_has_no_score_test() -> None:
    _, x, e = donors(6)
    y = np.zeros(60)
    found = covariate_test(y, x[:, :1], e, x[:, 1], family="poisson")
    assert not found.p < 0.5


def test_gate_that_depends_on_the_genotype() -> None:
    rng = np.random.default_rng(1)
    g, n = rng.binomial(2, 0.4, 80), rng.integers(30, 60, 80)
    free = gate_check(rng.binomial(n, 0.4), n, g)
    bound = gate_check(rng.binomial(n, 0.25 + 0.2 * g), n, g)
    assert free.p > 0.01
    assert bound.p < 1e-6
    assert bound.effect > 0.3
    more = gate_check(rng.binomial(n, 0.4), n, g, np.column_stack([np.ones(80), np.arange(80) % 2]))
    assert more.df == 77.0
    with pytest.raises(ValueError, match="gated\\[1\\] = 9 exceeds cells\\[1\\] = 8"):
        gate_check([1, 9, 2, 3], [5, 8, 9, 9], [0, 1, 2, 0])


def table() -> pd.DataFrame:
    y, x, e, donor = cells()
    return pd.DataFrame(
        {
            "y": y, "g": x[:, 1], "n": e.total, "rho": 1.0 - e.native / e.total,
            "donor": [f"d{d}" for d in donor], "arm": np.where(donor % 2 == 0, "a", "b"),
        }
    )  # fmt: skip


def test_formula_makes_the_same_design() -> None:
    data = table()
    options = {"exposure": "n", "rho": "rho", "share": 1e-3}
    fit = fit_formula("y ~ g + arm", data, cluster="donor", **options)
    assert fit.names == ("Intercept", "g", "arm[T.b]")
    x = np.column_stack([np.ones(len(data)), data["g"], data["arm"] == "b"])
    e = ambient_exposure(data["n"], data["rho"], 1e-3)
    want = fit_counts(data["y"], x, e, cluster=data["donor"])
    assert_allclose(fit.effect, want.effect, rtol=0, atol=1e-12)
    assert_allclose(fit.se, want.se, rtol=1e-12)


def test_formula_with_intercepts_of_donors() -> None:
    data = table()
    fit = fit_formula("y ~ g", data, exposure="n", rho="rho", share=1e-3, donor="donor", nodes=5)
    e = ambient_exposure(data["n"], data["rho"], 1e-3)
    x = np.column_stack([np.ones(len(data)), data["g"]])
    want = fit_donors(data["y"], x, e, data["donor"], nodes=5)
    assert_allclose(fit.effect, want.effect, rtol=0, atol=1e-12)


def test_formula_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    data = table()
    with pytest.raises(ValueError, match="names no column of counts"):
        fit_formula("~ g", data, exposure="n")
    with pytest.raises(ValueError, match="data have no column 'size'; there are y, g"):
        fit_formula("y ~ g", data, exposure="size")
    with pytest.raises(ValueError, match="data have no column 'h'"):
        fit_formula("y ~ h", data, exposure="n")
    with pytest.raises(ValueError, match="exclude each other"):
        fit_formula("y ~ g", data, exposure="n", donor="donor", cluster="donor")
    with pytest.raises(ValueError, match="has several parts"):
        fit_formula("y ~ g | arm", data, exposure="n")
    with pytest.raises(AnalysisError, match="data\\['arm'\\] is 'a' in every row"):
        fit_formula("y ~ arm", data[data["arm"] == "a"], exposure="n")
    with pytest.raises(ValueError, match="must be finite"), np.errstate(invalid="ignore"):
        fit_formula("y ~ np.sqrt(g - 1)", data, exposure="n")
    data.loc[3, "g"] = np.nan
    with pytest.raises(ValueError, match="data\\['g'\\] is missing in row 3"):
        fit_formula("y ~ g", data, exposure="n")

    def missing(name: str) -> object:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(extras.importlib, "import_module", missing)
    with pytest.raises(MissingDependencyError, match="formulaic"):
        fit_formula("y ~ arm", data, exposure="n")


def test_a_true_model_leaves_nothing() -> None:
    y, x, e = donors(7, n=300)
    fit = fit_counts(y, x, e)
    found = diagnose(y, x, fit)
    r = np.corrcoef(found.residual, e.ambient / fit.mu)[0, 1]
    assert found.ambient_correlation == pytest.approx(r, abs=1e-12)
    t = r * np.sqrt(296 / (1.0 - r * r))  # one correlation beside three coefficients
    assert found.ambient_p == pytest.approx(2.0 * student.sf(abs(t), 296), rel=1e-9)
    assert found.pearson == pytest.approx(1.0, abs=1e-6)
    assert found.leverage.sum() == pytest.approx(3.0, abs=1e-9)
    assert found.ambient_p > 0.01
    assert found.zero_p > 0.01


def test_a_forgotten_ambient_part_shows_in_the_residuals() -> None:
    y, x, e = donors(8, n=300, share=3e-2)
    fit = fit_counts(y, x, e.total)
    found = diagnose(y, x, fit)
    assert np.isnan(found.ambient_correlation)
    less = ambient_exposure(e.total, 0.3 * (1.0 - e.native / e.total), e.share)
    found = diagnose(y, x, fit_counts(y, x, less))
    assert found.ambient_correlation > 0.3
    assert found.ambient_p < 1e-6


def test_leverage_and_influence_are_those_of_leaving_one_out() -> None:
    y, x, e = donors(9, n=40)
    fit = fit_counts(y, x, e, family="negative_binomial", dispersion=0.1)
    found = diagnose(y, x, fit)
    k = int(np.argmax(np.abs(found.influence[:, 1])))
    rest = np.arange(40) != k
    other = fit_counts(y[rest], x[rest], e.rows(rest), family="negative_binomial", dispersion=0.1)
    change = other.effect[1] - fit.effect[1]
    assert found.influence[k, 1] == pytest.approx(change, rel=0.25)


def test_donors_have_the_leverage_of_their_rows() -> None:
    y, x, e, donor = cells(n_donors=10)
    fit = fit_counts(y, x, e, family="poisson")
    rows, whole = diagnose(y, x, fit), diagnose(y, x, fit, donor=donor)
    assert_allclose(whole.leverage, np.bincount(donor, rows.leverage), rtol=1e-9)
    assert whole.influence.shape == (10, 2)
    assert whole.leverage.size == 10


def test_zeros_beyond_the_model_are_counted() -> None:
    y, x, e, _ = cells(n_donors=30, n_cells=40)
    more = np.where(np.random.default_rng(1).random(y.size) < 0.4, 0.0, y)
    found = diagnose(more, x, fit_counts(more, x, e, family="poisson"))
    assert found.zeros_seen > found.zeros_expected
    assert found.zero_p < 1e-6


@pytest.mark.parametrize(
    "family", ["quasi_native", "negative_binomial", "quasi_poisson", "poisson"]
)
def test_zeros_of_each_model_are_its_own(family: str) -> None:
    rng = np.random.default_rng(3)
    n = 4000
    e = ambient_exposure(np.full(n, 1000.0), rng.uniform(0.05, 0.4, n), 4e-3)
    m = e.native * 1.5e-3
    noise = rng.gamma(1 / 0.8, 0.8, n)
    mean = {
        "quasi_native": e.ambient + m * noise,
        "negative_binomial": (e.ambient + m) * noise,
        "poisson": e.ambient + m,
    }.get(family)
    if mean is None:  # variance 2 mu: a negative binomial with alpha = 1 / mu
        mu = e.ambient + m
        mean = rng.gamma(mu, 1.0)
    y = rng.poisson(mean)
    found = diagnose(y, np.ones((n, 1)), fit_counts(y, np.ones((n, 1)), e, family=family))
    assert found.zeros_seen == pytest.approx(found.zeros_expected, rel=0.08)
    assert found.zero_p > 1e-3
