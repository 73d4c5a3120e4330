"""Genes and the variants around them: tests, windows, flags, and what is reported."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from refsolve.methods.count_glm import (
    Exposure,
    cis_windows,
    fit_donors,
    make_genotypes,
    map_cis,
)
from refsolve.methods.count_glm.estimator import mapping
from refsolve.methods.count_glm.model.metric import (
    largest_correlations,
    metric_of_donors,
    score_tests,
)
from refsolve.methods.count_glm.model.resampling import permuted_donors
from refsolve.methods.count_glm.textbook import likelihood, native, testing
from refsolve.parallel import threads
from tests.methods.count_glm.scans import data, run, source


@pytest.mark.parametrize(
    "family, dispersion",
    [("negative_binomial", "adjusted"), ("negative_binomial", "profile"), ("poisson", "adjusted")],
)
def test_score_tests_are_those_of_the_textbook(family: str, dispersion: str) -> None:
    d, found = data(), run(family=family, dispersion=dispersion)
    for g in (0, 3):
        y, x, a = d.counts[g] * 1.0, d.covariates, d.ambient[g]
        alpha = float(found.dispersion[g]) if family != "poisson" else 0.0
        null = likelihood.fit(y, x, d.exposure, a, alpha)
        here = found.test_gene == g
        rows = d.genotypes[found.test_variant[here]] * 1.0
        want = testing.score_test(y, x, null, alpha, rows)
        np.testing.assert_allclose(found.test_effect[here], want.effect, rtol=0, atol=1e-9)
        np.testing.assert_allclose(found.test_se[here], want.se, rtol=1e-10)
        np.testing.assert_allclose(found.test_p[here], want.p, rtol=0, atol=1e-9)
        if family != "poisson":
            fitted = likelihood.dispersion(y, x, d.exposure, a, adjusted=dispersion == "adjusted")
            assert alpha == pytest.approx(fitted, rel=1e-6)


def test_native_variance_is_that_of_the_textbook() -> None:
    d, found = data(), run(family="quasi_native")
    y, x, a = d.counts[1] * 1.0, d.covariates, d.ambient[1]
    alpha = native.quasi_dispersion(y, x, d.exposure, a)
    null = native.quasi_fit(y, x, d.exposure, a, alpha)
    assert found.dispersion[1] == pytest.approx(alpha, rel=1e-6)
    rows = d.genotypes[found.test_variant[found.test_gene == 1]] * 1.0
    v = native.variance(null.native, null.mu, alpha)
    weight = null.native**2 / v
    square = (x.T * weight) @ x
    left = rows - (rows * weight) @ x @ np.linalg.solve(square, x.T)
    u, i = left @ (null.native * (y - null.mu) / v), (left**2 * weight).sum(axis=1)
    np.testing.assert_allclose(found.test_effect[found.test_gene == 1], u / i, rtol=0, atol=1e-8)
    assert found.scale[1] == pytest.approx(1.0, abs=1e-6)


def test_the_scale_of_quasi_poisson_is_pearsons() -> None:
    found, poisson = run(family="quasi_poisson"), run(family="poisson")
    ratio = (found.test_se / poisson.test_se) ** 2
    np.testing.assert_allclose(ratio, found.scale[found.test_gene], rtol=1e-10)
    assert (found.scale > 1.5).any()
    wald = np.isfinite(found.se)
    assert (found.se[wald] > poisson.se[wald]).all()


def test_the_best_variant_is_fitted() -> None:
    d, found = data(), run(dispersion="profile")
    g = int(np.nanargmin(found.p_cauchy))
    x = np.column_stack([d.covariates, d.genotypes[found.lead[g]]])
    y, a = d.counts[g] * 1.0, d.ambient[g]
    alpha = likelihood.dispersion(y, x, d.exposure, a)
    want = likelihood.fit(y, x, d.exposure, a, alpha)
    assert found.effect[g] == pytest.approx(want.beta[-1], abs=1e-6)
    assert found.se[g] == pytest.approx(np.sqrt(want.covariance[-1, -1]), abs=1e-6)
    here = found.test_gene == g
    best = found.test_variant[here][np.nanargmin(found.test_p[here])]
    assert best == found.lead[g]
    assert found.p_gene[g] == found.p_cauchy[g]
    assert found.p_cauchy[g] == pytest.approx(testing.cauchy_combination(found.test_p[here]))


def test_windows_by_brute_force() -> None:
    rng = np.random.default_rng(1)
    where = rng.choice(["1", "2", "X"], 200)
    place = rng.integers(1, 100, 200)
    genes, ends = rng.choice(["1", "chr2", "7"], 30), rng.integers(1, 100, (30, 2))
    found = cis_windows(genes, ends, where, place, window=5)
    for g in range(30):
        low, high = ends[g].min() - 5, ends[g].max() + 5
        same = where == genes[g].removeprefix("chr")
        want = np.flatnonzero(same & (place >= low) & (place <= high))
        assert set(found.order[found.start[g] : found.stop[g]]) == set(want)
    one = cis_windows(["1"], [10], ["1"] * 4, [4, 5, 15, 16], window=5)
    assert list(one.order[one.start[0] : one.stop[0]]) == [1, 2]


def test_the_order_of_variants_and_genes_does_not_matter() -> None:
    d, rng = data(), np.random.default_rng(2)
    v, g = rng.permutation(len(d.genotypes)), rng.permutation(len(d.counts))
    shuffled = make_genotypes(
        d.genotypes[v], d.variant_chromosome[v], d.variant_position[v], variant=v
    )
    again = run(
        genotypes=shuffled, counts=d.counts[g], ambient=d.ambient[g], genes=g,
        gene_chromosome=d.gene_chromosome[g], gene_position=d.gene_position[g], permutations=50,
    )  # fmt: skip
    names = np.arange(len(d.genotypes))
    first = run(genotypes=source(variant=names), permutations=50)
    a = first.to_frame().set_index(["gene", "variant"]).sort_index()
    b = again.to_frame().set_index(["gene", "variant"]).sort_index()
    pd.testing.assert_frame_equal(a, b, rtol=1e-9, atol=1e-12)


def test_blocks_and_workers_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(permutations=40)
    with threads(2) as map_:
        monkeypatch.setattr(mapping, "MOST_GENES", 2)
        again = run(permutations=40, map_=map_)
        monkeypatch.setattr(mapping, "MOST_BYTES", 1)
        narrow = run(permutations=40)
    for other in (again, narrow):
        np.testing.assert_allclose(other.test_p, first.test_p, rtol=1e-11)
        np.testing.assert_allclose(other.p_beta, first.p_beta, rtol=1e-9)
        np.testing.assert_array_equal(other.lead, first.lead)
        np.testing.assert_array_equal(other.p_permutation, first.p_permutation)


def test_missing_genotypes_are_means_and_counted() -> None:
    d = data()
    holes = d.genotypes.copy()
    holes[2, [0, 5]], holes[3] = -1, -1
    found = run(genotypes=source(dosage=holes))
    filled = d.genotypes * 1.0
    filled[2, [0, 5]] = np.delete(filled[2], [0, 5]).mean()
    want = run(genotypes=source(dosage=filled))
    same = found.test_variant != 3
    np.testing.assert_allclose(found.test_p[same], want.test_p[same], rtol=1e-10)
    assert found.n_missing[2] == 2
    assert found.frequency[2] == pytest.approx(np.delete(filled[2], [0, 5]).mean() / 2)
    frame = found.to_frame().query("variant == @name", local_dict={"name": found.variant[3]})
    assert set(frame["flag"]) == {"no genotype"}
    assert frame["p"].isna().all()
    assert "missing genotypes: 62" in found.summary()


def test_variants_that_do_not_count_for_their_gene() -> None:
    d = data()
    g = d.genotypes.copy()
    g[0], g[1], g[2], g[3] = 0, 2, 0, 2 * (d.batch == 1)
    g[2, 7] = 2
    found = run(genotypes=source(dosage=g))
    flags = found.to_frame().groupby("variant", sort=False)["flag"].first()
    named = [flags[name] for name in found.variant[:4]]
    assert named == ["no variation left", "no variation left", "few copies", "no variation left"]
    assert found.n_tested[0] == (found.test_flag[found.test_gene == 0] == 0).sum()
    assert found.n_tested[0] < found.n_variants[0]
    assert found.lead[0] not in (0, 1, 2, 3)
    assert np.isfinite(found.test_p[found.test_variant == 2]).all()


def test_genes_without_counts_or_variants() -> None:
    d = data()
    counts = d.counts.copy()
    counts[1] = 0
    place = d.gene_position.copy()
    place[2] = 10**9
    found = run(counts=counts, gene_position=place, permutations=20)
    assert list(found.status[[1, 2]]) == ["no counts", "no variants"]
    assert found.n_variants[2] == 0
    assert np.isnan(found.p_gene[[1, 2]]).all()
    assert np.isnan(found.q[[1, 2]]).all()
    assert np.isfinite(np.delete(found.q, [1, 2])).all()
    genes = found.gene_frame()
    assert list(genes["variant"][[1, 2]]) == [None, None]
    assert len(found.to_frame()) == found.n_variants.sum()
    nothing = run(gene_position=place * 0 + 10**9)
    assert nothing.test_p.size == 0
    assert set(nothing.status) == {"no variants"}
    assert nothing.gene_frame()["position"].eq(-1).all()


def test_a_separated_null_is_told() -> None:
    d = data()
    counts = d.counts.copy()
    counts[0, d.batch == 1] = 0
    found = run(counts=counts, ambient=None, exposure=d.total)
    assert found.status[0] == "separated"
    assert np.isfinite(found.p_cauchy[0])


@pytest.mark.parametrize(
    "family", ["negative_binomial", "quasi_native", "quasi_poisson", "poisson"]
)
def test_a_separated_batch_is_as_if_it_were_left_out(family: str) -> None:
    d = data()
    counts = d.counts.copy()
    counts[:, d.batch == 1] = 0
    rest = np.flatnonzero(d.batch != 1)
    options = {"ambient": None, "family": family, "permutations": 30}
    found = run(counts=counts, exposure=d.total, **options)
    want = run(
        counts=counts[:, rest], exposure=d.total[rest], covariates=d.covariates[rest][:, [0, 2]],
        genotypes=source(dosage=d.genotypes[:, rest]), **options,
    )  # fmt: skip
    assert set(found.status) == {"separated"}
    np.testing.assert_allclose(found.test_p, want.test_p, rtol=0, atol=1e-5)
    np.testing.assert_allclose(found.scale, want.scale, rtol=1e-5)
    np.testing.assert_allclose(found.dispersion, want.dispersion, rtol=1e-5)
    np.testing.assert_allclose(found.effect, want.effect, rtol=0, atol=1e-5)
    np.testing.assert_allclose(found.se, want.se, rtol=1e-5)


def test_permutations_exchange_donors_with_a_weight_only() -> None:
    rng, used = np.random.default_rng(6), np.arange(18) % 3 > 0
    x = np.column_stack([np.ones(18), ~used])
    weight = np.where(used, rng.uniform(1.0, 4.0, 18), 0.0)
    score, dosage = np.sqrt(weight) * rng.standard_normal(18), rng.binomial(2, 0.4, (5, 18)) * 1.0
    orders = permuted_donors(18, 40, 1)
    some = (np.cumsum(used) - 1)[orders[used[orders]]].reshape(40, -1)
    found = []
    for rows, columns, order in ((np.arange(18), [0, 1], orders), (used, [0], some)):
        own = metric_of_donors(score[rows], weight[rows], x[rows][:, columns] * 1.0)
        copies = dosage[:, rows]
        variance = score_tests(copies, copies**2, own)[1]
        found.append(largest_correlations(copies, variance, own, order))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9)


def test_an_effect_without_a_bound_is_not_reported() -> None:
    """Only donors with two copies have more than their ambient counts."""
    rng = np.random.default_rng(3)
    g = np.repeat([0, 1, 2], 20)
    y = rng.poisson(3.0, 60) + rng.poisson(9.0 * (g == 2))
    y[g < 2] = np.minimum(y[g < 2], 3)
    for family in ("poisson", "quasi_native", "negative_binomial"):
        found = map_cis(
            y[np.newaxis], make_genotypes(g[np.newaxis], "1", [1]), np.ones((60, 1)),
            gene_chromosome=["1"], gene_position=[1], exposure=np.full(60, 100.0),
            ambient=np.full((1, 60), 3.0), family=family,
        )  # fmt: skip
        assert found.test_p[0] < 1e-4
        assert np.isnan(found.effect[0]) or found.se[0] > 1.0


def test_copies_of_the_rarer_allele() -> None:
    d = data()
    flipped = run(genotypes=source(dosage=2 - d.genotypes), least_copies=12)
    found = run(least_copies=12)
    np.testing.assert_allclose(flipped.minor_count, found.minor_count)
    np.testing.assert_array_equal(flipped.test_flag, found.test_flag)
    np.testing.assert_allclose(flipped.test_effect, -found.test_effect, rtol=0, atol=1e-9)
    common = d.genotypes[:1] * 0 + 2
    common[0, :3] = 1
    few = run(genotypes=source(dosage=np.concatenate([common, d.genotypes[1:]])), least_copies=5)
    assert few.minor_count[0] == 3.0
    assert few.frequency[0] == pytest.approx(117 / 120)
    assert set(few.test_flag[few.test_variant == 0]) == {1}


def test_the_observed_donors_are_one_of_the_permutations() -> None:
    d = data()
    counts = np.round(50.0 * np.exp(d.genotypes[:1] * 2.0)) + np.arange(60) % 3
    found = run(
        counts=counts, ambient=None, exposure=d.total * 0 + 100.0, permutations=40,
        gene_chromosome=d.gene_chromosome[:1], gene_position=d.variant_position[:1], window=0,
    )  # fmt: skip
    assert found.p_permutation[0] == 1 / 41


def test_what_is_reported() -> None:
    found = run(permutations=30)
    frame = found.to_frame()
    np.testing.assert_allclose(frame["statistic"], (frame["effect"] / frame["se"]) ** 2)
    assert list(frame.columns[:6]) == [
        "gene", "variant", "chromosome", "position", "effect_allele", "other_allele",
    ]  # fmt: skip
    assert found.n_discoveries(1.0) == 6
    best = int(np.argmin(found.p_gene))
    between = 0.5 * (found.p_gene[best] + found.q[best])
    assert found.p_gene[best] < between < found.q.min()
    assert found.n_discoveries(between) == 0
    ordered = np.argsort(found.p_gene)
    between = 0.5 * (found.p_gene[ordered[0]] + found.q[ordered[0]])
    assert found.p_gene[ordered[0]] < between < found.q.min()
    assert found.n_discoveries(between) == 0
    told = found.to_dict()
    assert len(told["tests"]["p"]) == len(frame)
    assert told["genes"]["gene"] == [str(k) for k in range(6)]
    assert "by permutations" not in found.summary()
    assert "(permutations)" in found.summary()


def test_expected_copies_are_used_as_they_are() -> None:
    d = data()
    noisy = np.clip(d.genotypes + 0.1, 0.0, 2.0)
    found = run(genotypes=source(dosage=noisy))
    y, x = d.counts[0] * 1.0, d.covariates
    null = likelihood.fit(y, x, d.exposure, d.ambient[0], found.dispersion[0])
    here = found.test_gene == 0
    want = testing.score_test(y, x, null, found.dispersion[0], noisy[found.test_variant[here]])
    np.testing.assert_allclose(found.test_effect[here], want.effect, rtol=0, atol=1e-9)
    unsigned = make_genotypes(
        d.genotypes.astype(np.uint8), d.variant_chromosome, d.variant_position
    )
    np.testing.assert_allclose(run(genotypes=unsigned).test_p, run().test_p, rtol=1e-12)


def test_score_tests_of_the_mixed_model_are_near_its_likelihood_ratios() -> None:
    d, found = data(), run(family="mixed", permutations=20)
    nothing = np.zeros(60)
    exposure = Exposure(d.exposure, d.ambient[1], d.total, nothing, nothing)
    null = fit_donors(d.counts[1], d.covariates, exposure, np.arange(60), spread="ml")
    assert found.dispersion[1] == pytest.approx(null.sd, abs=1e-4)
    for k in np.flatnonzero(found.test_gene == 1):
        x = np.column_stack([d.covariates, d.genotypes[found.test_variant[k]]])
        fit = fit_donors(d.counts[1], x, exposure, np.arange(60), spread="ml")
        ratio = max(2.0 * (fit.log_likelihood - null.log_likelihood), 0.0)
        z = found.test_effect[k] / found.test_se[k]
        assert abs(z) == pytest.approx(np.sqrt(ratio), abs=0.06)
        if found.test_variant[k] == found.lead[1]:
            assert found.effect[1] == pytest.approx(fit.effect[-1], abs=1e-3)
            assert found.se[1] == pytest.approx(fit.se[-1], rel=0.02)


def test_a_gene_without_counts_has_no_mixed_model() -> None:
    counts = data().counts.copy()
    counts[0] = 0
    assert run(counts=counts, family="mixed").status[0] == "no counts"
