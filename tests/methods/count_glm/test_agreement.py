"""The same numbers from statsmodels, where the mean has no ambient part."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from refsolve.methods.count_glm import covariate_test, fit_counts
from tests.methods.count_glm.rows import donors

pytestmark = pytest.mark.slow
sm = pytest.importorskip("statsmodels.api")


def test_negative_binomial_regression() -> None:
    for seed in range(3):
        y, x, e = donors(seed)
        x = (x - np.array([0.0, 0.0, 50.0])) / np.array([1.0, 1.0, 10.0])
        peer = sm.NegativeBinomial(y, x, exposure=e.total).fit(
            start_params=[np.log(y.sum() / e.total.sum()), 0.0, 0.0, 0.1], disp=0, maxiter=500,
            method="bfgs", gtol=1e-7, warn_convergence=False,
        )  # fmt: skip
        fit = fit_counts(y, x, e.total, family="negative_binomial", dispersion="profile")
        assert_allclose(fit.effect, peer.params[:3], rtol=0, atol=1e-6)
        assert fit.dispersion == pytest.approx(peer.params[3], abs=1e-6)
        assert fit.log_likelihood == pytest.approx(peer.llf, abs=1e-8)


def test_generalised_linear_models_of_given_dispersion() -> None:
    y, x, e = donors(4)
    for family, alpha in (("poisson", 0.0), ("negative_binomial", 0.2)):
        kind = sm.families.NegativeBinomial(alpha=alpha) if alpha else sm.families.Poisson()
        peer = sm.GLM(y, x, family=kind, exposure=e.total).fit(tol=1e-12)
        fit = fit_counts(y, x, e.total, family=family, dispersion=alpha)
        assert_allclose(fit.effect, peer.params, rtol=0, atol=1e-8)
        assert_allclose(fit.se, peer.bse, rtol=1e-6)
        assert fit.log_likelihood == pytest.approx(peer.llf, abs=1e-7)


def test_quasi_poisson_and_robust_errors() -> None:
    y, x, e = donors(5)
    model = sm.GLM(y, x, family=sm.families.Poisson(), exposure=e.total)
    quasi = fit_counts(y, x, e.total, family="quasi_poisson")
    assert_allclose(quasi.se, model.fit(scale="X2", tol=1e-12).bse, rtol=1e-7)
    cluster = np.arange(60) // 3
    robust = model.fit(cov_type="cluster", cov_kwds={"groups": cluster}, tol=1e-12)
    fit = fit_counts(y, x, e.total, family="poisson", cluster=cluster)
    assert_allclose(fit.se, robust.bse, rtol=1e-7)


def test_score_and_likelihood_ratio_tests() -> None:
    y, x, e = donors(6)
    null, g = x[:, [0, 2]], x[:, 1]
    model = sm.GLM(y, null, family=sm.families.Poisson(), exposure=e.total).fit(tol=1e-12)
    got = covariate_test(y, null, e.total, g, family="poisson")
    chi2, p = model.score_test(exog_extra=g[:, np.newaxis])
    assert got.statistic == pytest.approx(float(np.squeeze(chi2)), rel=1e-7)
    assert got.p == pytest.approx(float(np.squeeze(p)), rel=1e-6)
    full = sm.GLM(y, x, family=sm.families.Poisson(), exposure=e.total).fit(tol=1e-12)
    ratio = covariate_test(y, null, e.total, g, family="poisson", method="likelihood_ratio")
    assert ratio.statistic == pytest.approx(2 * (full.llf - model.llf), rel=1e-8)
