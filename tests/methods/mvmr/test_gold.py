"""Stored values of published programs: the textbook against them, then what users call."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from refsolve.methods.mvmr import (
    Summary,
    conditional_estimates,
    fit_egger,
    fit_gls,
    fit_gmm,
    fit_liml,
    harmonise,
    rao_blackwell,
    two_phase_estimates,
)
from refsolve.methods.mvmr.textbook import alleles, pleiotropy, regression, winners

GOLD = Path(__file__).parents[2] / "gold" / "mvmr"
EXACT = {"rtol": 1e-10, "atol": 0}
CASES = [
    f"{data}/{ld}/phase{phase}"
    for data in ("in30", "in30_plei", "in30_plei_extreme")
    for ld in ("R", "Rref")
    for phase in (1, 2)
]
GENOME_WIDE = norm.isf(2.5e-8)


def rows(name: str) -> list[dict[str, str]]:
    with (GOLD / name).open(newline="") as file:
        return list(csv.DictReader(file))


@cache
def published() -> dict[tuple[str, str, str], tuple[float, float]]:
    def number(text: str) -> float:
        return float("nan") if text.strip() == "NA" else float(text)

    return {
        (row["case"], row["method"], row["term"]): (number(row["est"]), number(row["se"]))
        for row in rows("out_mvmr.csv")
    }


def stored(case: str, method: str, *terms: str) -> tuple[np.ndarray, np.ndarray]:
    pairs = np.array([published()[case, method, term] for term in terms])
    return pairs[:, 0], pairs[:, 1]


def arrays(case: str) -> dict[str, np.ndarray]:
    data, ld, phase = case.split("/")
    with np.load(GOLD / f"{data}.npz") as file:
        return {
            "b_x": file[f"bX{phase[-1]}"],
            "se_x": file[f"seX{phase[-1]}"],
            "b_y": file["bY"],
            "se_y": file["seY"],
            "r": file[ld],
            "c": file["corX"],
            "n_x": file[f"nx{phase[-1]}"],
            "n_y": file["ny"],
        }


def joint_form(d: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    """Joint effects and their covariances, as mr_mvgmm forms them."""
    g_y, s_y = regression.joint_effects(d["b_y"], d["se_y"], float(d["n_y"]), d["r"])
    pairs = zip(d["b_x"].T, d["se_x"].T, strict=True)
    g_x = [regression.joint_effects(b, se, float(d["n_x"]), d["r"])[0] for b, se in pairs]
    s_x = regression.joint_noise(d["b_x"], d["se_x"], float(d["n_x"]), d["r"], d["c"])
    return g_y, np.column_stack(g_x), s_y, s_x


# --- effects -------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_generalised_least_squares_is_that_of_mr_mvivw(case: str) -> None:
    d = arrays(case)
    fit = regression.gls(d["b_x"], d["b_y"], regression.covariance(d["se_y"], d["r"]))
    for model, factor in (("fixed", 1.0), ("random", regression.overdispersion(fit.q, 28))):
        theta, se = stored(case, f"mr_mvivw_correl_{model}", "theta0", "theta1")
        np.testing.assert_allclose(fit.theta, theta, **EXACT)
        np.testing.assert_allclose(np.sqrt(factor * np.diag(fit.cov)), se, **EXACT)
    q, rse = stored(case, "mr_mvivw_correl", "Q", "RSE")[0]
    np.testing.assert_allclose([fit.q, np.sqrt(fit.q / 28)], [q, rse], **EXACT)


@pytest.mark.parametrize("case", CASES)
def test_intercept_is_that_of_mr_mvegger(case: str) -> None:
    d = arrays(case)
    fit = regression.egger(d["b_x"], d["b_y"], d["se_y"], d["r"])
    estimate, se = stored(case, "mr_mvegger_correl", "intercept", "theta0", "theta1")
    np.testing.assert_allclose(fit.theta, estimate, rtol=1e-10, atol=1e-13)
    factor = regression.overdispersion(fit.q, 27)
    np.testing.assert_allclose(np.sqrt(factor * np.diag(fit.cov)), se, **EXACT)


@pytest.mark.parametrize("case", CASES)
def test_minimum_is_not_above_that_of_mr_mvgmm(case: str) -> None:
    parts = joint_form(arrays(case))
    theta, _ = stored(case, "mr_mvgmm_robustFALSE", "theta0", "theta1")
    at_published = regression.cue_objective(theta, *parts)
    found, minimum = regression.cue(*parts)
    assert minimum < at_published
    # the peer's Q is its own objective: the same function is minimised
    q = stored(case, "mr_mvgmm_robustFALSE", "Q")[0][0]
    assert at_published == pytest.approx(q, rel=1e-8)
    if "extreme" not in case:
        np.testing.assert_allclose(found, theta, rtol=0, atol=0.02)


@pytest.mark.parametrize("case", [case for case in CASES if "extreme" not in case])
def test_common_ratio_of_standard_errors_gives_nearly_the_same_minimum(case: str) -> None:
    d = arrays(case)
    y = regression.whiten(d["b_y"], d["se_y"], d["r"])[1]
    x = regression.whiten(d["b_x"], d["se_y"], d["r"])[1]
    sigma = regression.exposure_noise(d["se_x"], d["se_y"], d["c"])
    closed = regression.liml(y, x, sigma)
    # joint effects also estimate the residual variance; that moves theta by a tenth of an SE
    np.testing.assert_allclose(closed.theta, regression.cue(*joint_form(d))[0], atol=0.002)
    f, _ = stored(case, "mr_mvgmm", "condF0", "condF1")
    assert regression.conditional_f(x, sigma) == pytest.approx(f.min(), rel=0.05)


@pytest.mark.parametrize("case", CASES)
def test_conditional_f_in_the_published_form_is_one_number_for_both_exposures(case: str) -> None:
    d = arrays(case)
    _, g_x, _, s_x = joint_form(d)
    strengths = []
    for one, other in ((0, 1), (1, 0)):
        parts = (g_x[:, one], g_x[:, [other]], s_x[one, one], s_x[[other]][:, [other]])
        slope = regression.gls(parts[1], parts[0], parts[2]).theta
        best = min(
            strength_along(np.array([1.0, -delta]), g_x[:, [one, other]], s_x, [one, other])
            for delta in around(slope[0], g_x[:, [one, other]], s_x, [one, other])
        )
        strengths.append(best / (30 - 2 + 1))
    assert strengths[0] == pytest.approx(strengths[1], rel=1e-6)
    if (case, "mr_mvgmm", "condF0") in published():
        f, _ = stored(case, "mr_mvgmm", "condF0", "condF1")
        assert strengths[0] <= f.min() * (1 + 1e-9)


def strength_along(a: np.ndarray, g_x: np.ndarray, s_x: np.ndarray, order: list[int]) -> float:
    s = np.einsum("k,l,klij->ij", a, a, s_x[np.ix_(order, order)])
    e = g_x @ a
    return float(e @ np.linalg.solve(s, e))


def around(start: float, g_x: np.ndarray, s_x: np.ndarray, order: list[int]) -> np.ndarray:
    """Coefficients of the other exposure, ever closer to the best."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 181)[1:-1]
    span = np.pi / 180
    for _ in range(12):
        value = [strength_along(np.array([1.0, -np.tan(t)]), g_x, s_x, order) for t in angle]
        best = angle[int(np.argmin(value))]
        angle, span = best + span * np.linspace(-1, 1, 11), span / 5
    return np.append(np.tan(angle), start)


def test_independent_variants_and_three_exposures() -> None:
    table = np.loadtxt(GOLD / "indep40.csv", delimiter=",", skiprows=1)
    b_x, se_x, b_y, se_y = table[:, :3], table[:, 3:6], table[:, 6], table[:, 7]
    fit = regression.gls(b_x, b_y, np.diag(se_y**2))
    theta, se = stored("indep40", "mr_mvivw_random", "theta0", "theta1", "theta2")
    factor = regression.overdispersion(fit.q, 37)
    np.testing.assert_allclose(fit.theta, theta, **EXACT)
    np.testing.assert_allclose(np.sqrt(factor * np.diag(fit.cov)), se, **EXACT)
    assert fit.q == pytest.approx(stored("indep40", "mr_mvivw", "Q")[0][0], rel=1e-10)
    c = np.loadtxt(GOLD / "indep40_corX.csv", delimiter=",")
    sigma = regression.exposure_noise(se_x, se_y, c)
    x = b_x / se_y[:, np.newaxis]
    weakest = regression.conditional_f(x, sigma)
    f = stored("indep40", "mr_mvivw", "condF0", "condF1", "condF2")[0]
    assert weakest == pytest.approx(f.min(), rel=0.02)
    assert (f > weakest * (1 - 0.02)).all()
    # which exposure is weak shows with least-squares coefficients, as MVMR has it but for J - K + 1
    mvmr = stored("indep40", "MVMR_strength_phenocov", "F0", "F1", "F2")[0] * 40 / 38
    np.testing.assert_allclose(regression.partial_f(x, sigma), mvmr, rtol=0.06)


def test_invalid_variants_are_those_of_mr_mvcml() -> None:
    table = np.loadtxt(GOLD / "indep40.csv", delimiter=",", skiprows=1)
    b_x, b_y, se_y = table[:, :3], table[:, 6], table[:, 7]
    fit = regression.gls(b_x, b_y, np.diag(se_y**2))
    z = pleiotropy.shift_z(fit.projector, b_y, np.diag(se_y))
    named = next(r["extra"] for r in rows("out_mvmr.csv") if r["method"] == "mr_mvcML_BIC")
    assert (np.sort(np.argsort(-np.abs(z))[:2]) + 1).tolist() == [int(v) for v in named.split()]


# --- alleles -------------------------------------------------------------------------------------


def harmonised() -> dict[str, alleles.Aligned]:
    table = rows("alleles.csv")

    def frequency(row: dict[str, str], key: str) -> float:
        return float("nan") if row[key] == "NA" else float(row[key])

    done = alleles.harmonise(
        [row["EA_y"] for row in table],
        [row["OA_y"] for row in table],
        [frequency(row, "eaf_y") for row in table],
        [row["EA_x"] for row in table],
        [row["OA_x"] for row in table],
        [frequency(row, "eaf_x") for row in table],
        n=10_000,
        n_ref=10_000,
    )
    return {row["SNP"].lower(): one for row, one in zip(table, done, strict=True)}


def test_harmonised_table_is_that_of_two_sample_mr() -> None:
    got = harmonised()
    table = rows("out_harmonise_action2.csv")
    assert len(table) == len(got) == 18
    for row in table:
        one = got[row["SNP"]]
        assert one.kept == (row["mr_keep"] == "TRUE"), row["SNP"]
        if one.kept:
            assert one.sign == np.sign(float(row["beta.outcome"])), row["SNP"]
            assert one.frequency == pytest.approx(float(row["eaf.outcome"]), abs=1e-12)


def test_frequencies_that_conflict_are_flagged() -> None:
    assert [name for name, one in harmonised().items() if one.conflict] == ["eaf_conflict"]


# --- winner's curse ------------------------------------------------------------------------------


def significant() -> dict[str, np.ndarray]:
    table = rows("out_winnerscurse.csv")
    names = ("beta", "se", "beta_rep", "se_rep", "beta.cl1", "beta.cl2", "beta_MLE")
    return {name: np.array([float(row[name]) for row in table]) for name in names}


def test_conditional_likelihood_agrees_within_a_fiftieth_of_a_standard_error() -> None:
    d = significant()
    pairs = list(zip(d["beta"], d["se"], strict=True))
    assert len(pairs) > 50
    mle = np.array([winners.conditional_mle(b, se, GENOME_WIDE) for b, se in pairs])
    mean = np.array([winners.conditional_mean(b, se, GENOME_WIDE) for b, se in pairs])
    np.testing.assert_allclose(mle / d["se"], d["beta.cl1"] / d["se"], rtol=0, atol=0.02)
    np.testing.assert_allclose(mean / d["se"], d["beta.cl2"] / d["se"], rtol=0, atol=0.02)


def test_two_phase_likelihood_agrees_within_a_fiftieth_of_a_standard_error() -> None:
    d = significant()
    columns = (d[name] for name in ("beta", "se", "beta_rep", "se_rep"))
    pairs = zip(*columns, strict=True)
    got = np.array([winners.two_phase_mle(*row, GENOME_WIDE) for row in pairs])
    np.testing.assert_allclose(got / d["se"], d["beta_MLE"] / d["se"], rtol=0, atol=0.02)


def test_rao_blackwell_example_under_ld() -> None:
    # truth 4, 3.2, -2; phase 1 of unit noise selects the first variant; phase 2 has variance 1.3
    r = np.array([[1.0, 0.8, -0.5], [0.8, 1.0, -0.4], [-0.5, -0.4, 1.0]])
    beta, s2, root = np.array([4.0, 3.2, -2.0]), 1.3 * r, np.linalg.cholesky(r)
    rng, n = np.random.default_rng(0), 2500
    lead = 4 + norm.isf(rng.uniform(0, norm.sf(GENOME_WIDE - 4), n))  # beyond the threshold
    rest = rng.standard_normal((n, 3)) @ root.T
    b1 = beta + rest + np.outer(lead - 4 - rest[:, 0], r[0])
    b2 = beta + rng.standard_normal((n, 3)) @ np.linalg.cholesky(s2).T
    pooled = np.array([winners.pooled(x, r, y, s2)[0] for x, y in zip(b1, b2, strict=True)])
    got = np.array(
        [winners.rao_blackwell(x, r, y, s2, GENOME_WIDE, [0]) for x, y in zip(b1, b2, strict=True)]
    )
    np.testing.assert_allclose(b1.mean(axis=0), [5.90, 4.72, -2.95], atol=0.06)
    assert pooled[:, 0].mean() == pytest.approx(5.07, abs=0.05)
    np.testing.assert_allclose(b2.std(axis=0), 1.14, atol=0.06)
    np.testing.assert_allclose(got.mean(axis=0), beta, atol=0.08)
    np.testing.assert_allclose(got.std(axis=0), [1.04, 0.95, 0.83], atol=0.05)


# --- what users call -----------------------------------------------------------------------------


def summary(case: str) -> Summary:
    d = arrays(case)
    return Summary(d["b_x"], d["se_x"], d["b_y"], d["se_y"], d["r"], exposure_correlation=d["c"])


@pytest.mark.parametrize("case", CASES)
def test_fits_are_those_of_mr_mvivw_and_mr_mvegger(case: str) -> None:
    data = summary(case)
    for rule, model in (("fixed", "fixed"), ("multiplicative", "random")):
        theta, se = stored(case, f"mr_mvivw_correl_{model}", "theta0", "theta1")
        fit = fit_gls(data, overdispersion=rule)
        np.testing.assert_allclose(fit.theta, theta, **EXACT)
        np.testing.assert_allclose(fit.se, se, **EXACT)
    assert fit.q == pytest.approx(stored(case, "mr_mvivw_correl", "Q")[0][0], rel=1e-10)
    egger = fit_egger(data)
    estimate, se = stored(case, "mr_mvegger_correl", "theta0", "theta1", "intercept")
    np.testing.assert_allclose([*egger.fit.theta, egger.intercept], estimate, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose([*egger.fit.se, egger.intercept_se], se, rtol=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_gmm_is_not_above_mr_mvgmm_and_stays_at_the_minimum(case: str) -> None:
    d = arrays(case)
    fit = fit_gmm(summary(case), float(d["n_x"]), float(d["n_y"]))
    parts = joint_form(d)
    assert fit.q < stored(case, "mr_mvgmm_robustFALSE", "Q")[0][0]
    theta, minimum = regression.cue(*parts)
    assert fit.q == pytest.approx(minimum, rel=1e-8)
    assert regression.cue_objective(fit.theta, *parts) == pytest.approx(fit.q, rel=1e-8)
    np.testing.assert_allclose(fit.theta, theta, rtol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_the_fit_reports_one_conditional_f_near_the_published_ones(case: str) -> None:
    data = summary(case)
    fit = fit_liml(data)
    turned = fit_liml(
        Summary(
            data.exposure_beta[:, ::-1],
            data.exposure_se[:, ::-1],
            data.outcome_beta,
            data.outcome_se,
            data.ld,
            exposure_correlation=data.exposure_correlation[::-1, ::-1],
        )
    )
    assert turned.conditional_f == pytest.approx(fit.conditional_f, rel=1e-10)
    np.testing.assert_allclose(turned.theta[::-1], fit.theta, rtol=1e-8)
    if (case, "mr_mvgmm", "condF0") in published():
        f, _ = stored(case, "mr_mvgmm", "condF0", "condF1")
        assert fit.conditional_f == pytest.approx(f.min(), rel=0.05)


def test_harmonise_is_the_textbook_on_every_pair() -> None:
    table = pd.read_csv(GOLD / "alleles.csv")
    outcome = pd.DataFrame(
        {
            "snp": table["SNP"],
            "effect_allele": table["EA_y"],
            "other_allele": table["OA_y"],
            "beta": table["by"],
            "se": 0.01,
            "eaf": table["eaf_y"],
        }
    )
    reference = pd.DataFrame(
        {
            "snp": table["SNP"],
            "pos_bp": np.arange(len(table)),
            "ref_allele": table["OA_x"],
            "alt_allele": table["EA_x"],
            "alt_frequency": table["eaf_x"],
        }
    )
    got = harmonise({"outcome": outcome}, reference)
    found = dict(zip(got.variant, got.beta[:, 0], strict=True))
    want = {
        name: one.sign * 0.02
        for name, one in harmonised().items()
        if one.kept and not one.conflict  # conflicts are set aside here
    }
    assert {name.lower(): beta for name, beta in found.items()} == pytest.approx(want)
    outcomes = got.table.set_index("variant")["outcome"]
    assert outcomes["eaf_conflict"] == "conflict"
    assert set(outcomes[["p_amb", "p_amb_swap", "p_noeaf"]]) == {"ambiguous"}
    assert set(outcomes[["incompat", "incompat2"]]) == {"incompatible"}


def test_selected_effects_agree_with_winnerscurse() -> None:
    d = significant()
    one = conditional_estimates(d["beta"], d["se"])
    two = two_phase_estimates(d["beta"], d["se"], d["beta_rep"], d["se_rep"])
    for got, name in ((one.estimate, "beta.cl1"), (two.estimate, "beta_MLE")):
        np.testing.assert_allclose(got / d["se"], d[name] / d["se"], rtol=0, atol=0.02)


def test_rao_blackwell_is_the_textbook_under_ld() -> None:
    r = np.array([[1.0, 0.8, -0.5], [0.8, 1.0, -0.4], [-0.5, -0.4, 1.0]])
    for b1, b2 in (([5.9, 4.7, -3.0], [4.2, 3.0, -2.2]), ([-5.6, -3.0, 2.0], [-3.0, -4.0, 1.0])):
        parts = (np.array(b1), r, np.array(b2), 1.3 * r)
        want = winners.rao_blackwell(*parts, GENOME_WIDE, [0])
        got = rao_blackwell(*parts, [0], p_threshold=5e-8)
        np.testing.assert_allclose(got, want, rtol=1e-6)
