"""Scans, peaks and searches: equal to the textbook, invariant, and clear about errors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from refsolve.core.errors import AnalysisError
from refsolve.methods.lmm_scan import (
    Design,
    Genome,
    bayes_interval,
    biallelic,
    design,
    find_peak,
    find_peaks,
    fit_null,
    forward_search,
    kinship,
    loco_kinship,
    position_posterior,
    refine_peak,
    refine_profile,
    scan,
    support_interval,
    textbook,
)
from refsolve.methods.lmm_scan.estimator import positions
from tests.methods.lmm_scan.population import population

ONE = population()
BLOCK = ONE.genome.probabilities


def test_kinship_is_the_textbook_one() -> None:
    assert_allclose(kinship(ONE.genome), textbook.kinship(np.concatenate(BLOCK, 1)), atol=1e-12)
    assert_allclose(loco_kinship(ONE.genome), textbook.loco(BLOCK), atol=1e-12)


def test_kinship_of_one_chromosome_without_itself_is_none() -> None:
    alone = ONE.genome.only("2")
    assert_array_equal(loco_kinship(alone), np.zeros((1, 60, 60)))
    result = scan(alone, ONE.y, ONE.covariates)
    assert np.isnan(result.heritability).all()
    assert_allclose(result.lod, scan(alone, ONE.y, ONE.covariates, kinship="none").lod, rtol=1e-12)


@pytest.mark.parametrize("criterion", ["reml", "ml"])
@pytest.mark.parametrize("matrix", [np.full((60, 60), 0.25), 0.5 * np.eye(60)], ids=["all", "self"])
def test_lines_that_are_all_equally_related_share_nothing(matrix: Any, criterion: Any) -> None:
    """No share of such a kinship changes the likelihood beside an intercept."""
    noise = np.random.default_rng(1).normal(0, 1e-16, (60, 60))
    null = fit_null(ONE.y, ONE.covariates, matrix + noise + noise.T, criterion=criterion)
    assert null.heritability == 0.0
    assert null.rss == pytest.approx(fit_null(ONE.y, ONE.covariates).rss, rel=1e-10)


@pytest.mark.parametrize("criterion", ["reml", "ml"])
@pytest.mark.parametrize("choice", ["loco", "overall", "none"])
def test_scan_is_the_textbook_one(choice: Any, criterion: Any) -> None:
    one = population(families=0)
    result = scan(one.genome, one.y, one.covariates, kinship=choice, criterion=criterion)
    all_ = kinship(one.genome)
    for c, label in enumerate(one.genome.chromosome):
        relatedness = {"loco": one.kinships[c], "overall": all_, "none": None}[choice]
        want = textbook.scan(one.y, one.genome.probabilities[c], one.x, relatedness, criterion)
        rows = result.rows(label)
        assert_allclose(result.lod[rows, 0], want.lod, atol=1e-6)
        assert_allclose(result.f[rows, 0], want.f, rtol=1e-5)
        assert_array_equal(result.rank[rows, 0], want.rank)


def test_exact_scan_is_the_textbook_one_and_not_lower() -> None:
    exact = scan(ONE.genome, ONE.y, ONE.covariates, exact=True)
    held = scan(ONE.genome, ONE.y, ONE.covariates, criterion="ml")
    assert np.all(exact.lod >= held.lod - 1e-8)
    assert exact.lod.max() > held.lod.max()
    rows = exact.rows("2")
    want = textbook.scan(ONE.y, BLOCK[1], ONE.x, ONE.kinships[1], exact=True)
    assert_allclose(exact.lod[rows, 0], want.lod, atol=1e-6)


def test_p_values_are_uniform_without_a_qtl() -> None:
    # 400 traits, one position: a share of p < 0.1 outside 0.055 .. 0.145 has probability 0.003.
    y = np.random.default_rng(4).standard_normal((60, 400)) + ONE.batch[:, None]
    here = Genome((BLOCK[0][:, 3:4],), (np.array([12.0]),))
    p = scan(here, y, ONE.covariates, kinship="none").p_value[0]
    assert 0.055 < np.mean(p < 0.1) < 0.145
    assert 0.42 < np.median(p) < 0.58


def test_traits_together_are_traits_alone() -> None:
    rng = np.random.default_rng(2)
    y = np.column_stack([ONE.y, rng.standard_normal(60), ONE.y + rng.standard_normal(60)])
    y[[3, 10, 44], 1] = np.nan
    y[[3, 10, 44, 45], 2] = np.nan
    together = scan(ONE.genome, y, ONE.covariates, traits=("a", "b", "c"))
    assert_array_equal(together.missing, [0, 3, 4])
    assert_array_equal(together.n_lines, [60, 57, 56])
    for t in range(3):
        alone = scan(ONE.genome, y[:, t], ONE.covariates)
        assert_allclose(together.lod[:, t], alone.lod[:, 0], rtol=1e-10, atol=1e-12)
        assert_allclose(together.heritability[:, t], alone.heritability[:, 0], rtol=1e-10)


def test_missing_phenotypes_are_lines_left_out() -> None:
    y = ONE.y.copy()
    y[[0, 7, 59]] = np.nan
    kept = np.flatnonzero(~np.isnan(y))
    small = Genome(tuple(block[kept] for block in BLOCK), ONE.genome.position)
    covariates = Design(ONE.covariates.matrix[kept], ONE.covariates.names)
    matrices = ONE.kinships[:, kept][:, :, kept]
    whole = scan(ONE.genome, y, ONE.covariates, kinship=ONE.kinships)
    assert_allclose(whole.lod, scan(small, y[kept], covariates, kinship=matrices).lod, rtol=1e-9)


def test_a_batch_that_only_missing_lines_have_is_passed_over() -> None:
    y = np.where(ONE.batch == 3, np.nan, ONE.y)
    result = scan(ONE.genome, y, ONE.covariates)
    assert result.fixed == (("intercept", "batch=1", "batch=2"),)
    assert np.isfinite(result.lod).all()


def test_order_of_founders_lines_and_units_do_not_matter() -> None:
    base = scan(ONE.genome, ONE.y, ONE.covariates)
    turned = Genome(tuple(block[:, :, [2, 0, 3, 1]] for block in BLOCK), ONE.genome.position)
    assert_allclose(scan(turned, ONE.y, ONE.covariates).lod, base.lod, atol=1e-7)
    order = np.random.default_rng(0).permutation(60)
    mixed = Genome(tuple(block[order] for block in BLOCK), ONE.genome.position)
    covariates = Design(ONE.covariates.matrix[order], ONE.covariates.names)
    assert_allclose(scan(mixed, ONE.y[order], covariates).lod, base.lod, atol=1e-7)
    scaled = scan(ONE.genome, 1e6 * ONE.y - 1e9, ONE.covariates)
    assert_allclose(scaled.lod, base.lod, atol=1e-6)


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    base = scan(ONE.genome, ONE.y, ONE.covariates)
    monkeypatch.setattr(positions, "CHUNK", 3)
    assert_allclose(scan(ONE.genome, ONE.y, ONE.covariates).lod, base.lod, rtol=1e-10, atol=1e-12)


def test_single_precision_is_accepted_and_close() -> None:
    half = Genome(tuple(b.astype(np.float32) for b in BLOCK), ONE.genome.position)
    assert half.probabilities[0].dtype == np.float32
    assert_allclose(kinship(half), kinship(ONE.genome), atol=1e-7)
    base = scan(ONE.genome, ONE.y, ONE.covariates)
    assert_allclose(scan(half, ONE.y, ONE.covariates).lod, base.lod, atol=1e-5)


def test_equal_and_absent_founders_are_handled_by_rank() -> None:
    blocks = [block.copy() for block in BLOCK]
    blocks[0][:, 2, 2:] = 0.5 * blocks[0][:, 2, 2:].sum(axis=1, keepdims=True)
    blocks[0][:, 3, 2] += blocks[0][:, 3, 3]
    blocks[0][:, 3, 3] = 0.0
    blocks[0][:, 4] = [0.0, 1.0, 0.0, 0.0]
    blocks[0][:, 5] = [0.25, 0.25, 0.25, 0.25]
    genome = Genome(tuple(blocks), ONE.genome.position)
    result = scan(genome, ONE.y, ONE.covariates)
    assert_array_equal(result.rank[2:6, 0], [2, 2, 0, 0])
    assert_array_equal(result.lod[4:6, 0], 0.0)
    assert_array_equal(result.p_value[4:6, 0], 1.0)
    assert np.isfinite(result.lod).all()


def test_single_marker_scan_is_regression_on_calls() -> None:
    calls = np.random.default_rng(3).integers(0, 2, (60, 4)).astype(float)
    calls[[1, 5], 2] = -1
    genome = Genome((biallelic(calls),), (np.arange(4.0),))
    result = scan(genome, ONE.y, ONE.covariates, kinship="none")
    filled = np.where(calls < 0, np.nan, calls)
    filled = np.where(np.isnan(filled), np.nanmean(filled, axis=0), filled)
    null, _ = textbook.residual(ONE.x, ONE.y)
    for m in range(4):
        rss, _ = textbook.residual(np.column_stack([ONE.x, filled[:, m]]), ONE.y)
        assert result.lod[m, 0] == pytest.approx(30.0 * np.log10(null / rss), abs=1e-10)


@pytest.mark.parametrize("exact", [True, False])
def test_a_trait_without_noise_has_a_finite_lod(exact: bool) -> None:
    founder = np.eye(4)[np.arange(40) % 4]
    genome = Genome((founder[:, None, :], BLOCK[0][:40, :3]), (np.zeros(1), np.arange(3.0)))
    result = scan(genome, founder @ [1.0, 2.0, 3.0, 5.0], exact=exact)
    assert 250.0 < result.lod[0, 0] < 400.0
    assert result.p_value[0, 0] < 1e-200


# Peaks


def test_the_qtl_is_found() -> None:
    result = scan(ONE.genome, ONE.y, ONE.covariates)
    peak = find_peak(result)
    assert peak.chromosome == "2"
    assert peak.support[0] <= 20.0 <= peak.support[1]
    assert peak.lod == result.lod.max()
    assert find_peaks(result, 3.0)[0] == peak
    assert find_peaks(result, 99.0) == ()
    assert find_peak(result, chromosome="1").chromosome == "1"


@pytest.mark.parametrize("seed", range(5))
def test_intervals_are_the_textbook_ones(seed: int) -> None:
    rng = np.random.default_rng(seed)
    place = np.sort(rng.uniform(0.0, 90.0, 25))
    lod = 6.0 * np.exp(-0.5 * ((place - 40.0) / 12.0) ** 2) + rng.uniform(0.0, 0.8, 25)
    low, _peak, high = textbook.lod_interval(lod, place, 1.8)
    assert support_interval(place, lod, 1.8) == (low, high)
    assert bayes_interval(place, lod, 0.9) == textbook.bayes_interval(lod, place, 0.9)


def test_intervals_are_widened_to_markers() -> None:
    place, lod = np.arange(9.0), np.array([0, 1, 2, 5, 6, 5, 1, 1, 0.0])
    assert support_interval(place, lod) == (2.0, 6.0)
    assert support_interval(place, lod, markers=[8.0, 0.0, 2.5]) == (0.0, 8.0)
    assert bayes_interval(place, lod, markers=[3.5, 4.5]) == bayes_interval(place, lod)
    assert bayes_interval([3.0], [2.0]) == (3.0, 3.0)


def test_markers_at_one_place_are_one_place() -> None:
    assert bayes_interval([3.0, 3.0], [2.0, 1.0]) == (3.0, 3.0)
    assert support_interval([3.0, 3.0], [2.0, 1.0]) == (3.0, 3.0)
    assert position_posterior([3.0, 3.0], [2.0, 1.0]).interval == (3.0, 3.0)
    twice = refine_profile([0.0, 5.0, 5.0, 9.0], [1.0, 4.0, 4.0, 0.0])
    assert (twice.position, twice.lod) == (5.0, 4.0)


def test_ties_share_the_peak() -> None:
    result = scan(ONE.genome, ONE.y, ONE.covariates)
    lod = result.lod.copy()
    lod[result.rows("2")[5:7]] = lod.max() + 1.0
    peak = find_peak(replace(result, lod=lod))
    assert (peak.ties, peak.index) == (2, 5)
    assert peak.position == pytest.approx(22.0)


def test_posterior_of_the_position() -> None:
    flat = position_posterior([0.0, 1.0, 4.0, 10.0], [2.0, 2.0, 2.0, 2.0], 0.8)
    assert (flat.mean, flat.median) == (pytest.approx(5.0), pytest.approx(5.0))
    assert flat.interval == (pytest.approx(1.0), pytest.approx(9.0))
    fine = np.linspace(0.0, 100.0, 4001)
    lod = -((fine - 37.0) ** 2) / (2.0 * 16.0 * np.log(10.0))
    normal = position_posterior(fine, lod, 0.95)
    assert normal.mean == pytest.approx(37.0, abs=1e-3)
    assert_allclose(normal.interval, 37.0 + 4.0 * 1.959964 * np.array([-1, 1]), atol=0.01)
    assert position_posterior([3.0], [2.0]).median == 3.0


def test_refined_peak_is_the_vertex() -> None:
    place = np.array([0.0, 2.0, 5.0, 6.0, 9.0])
    refined = refine_profile(place, 7.0 - 0.3 * (place - 4.2) ** 2)
    assert refined.position == pytest.approx(4.2)
    assert refined.lod == pytest.approx(7.0)
    assert refined.index == 2
    edge = refine_profile(place, -place)
    assert (edge.position, edge.lod) == (0.0, 0.0)
    level = refine_profile([0.0, 1.0, 2.0, 3.0], [0.0, 2.0, 1.0, 0.0], drop=1.0)
    assert level.support == (pytest.approx(0.5), pytest.approx(2.0))


def test_refined_peak_on_a_grid_is_the_scan_there() -> None:
    null = fit_null(ONE.y, ONE.covariates, ONE.kinships[1])
    refined = refine_peak(null, BLOCK[1], ONE.genome.position[1])
    result = scan(ONE.genome, ONE.y, ONE.covariates)
    assert_allclose(refined.profile, result.lod[result.rows("2"), 0], rtol=1e-10)
    assert refined.support[0] < refined.position < refined.support[1]


# Several QTL


def test_search_finds_both_qtl_and_their_steps() -> None:
    own = np.array([0.0, 0.0, 2.5, 0.0])
    y = ONE.y + ONE.genome.at("3", 2) @ own
    model = forward_search(ONE.genome, y, ONE.covariates, threshold=5.0)
    assert [peak.chromosome for peak in model.peaks] == ["3", "2"]
    assert model.history[-1] < 5.0 < model.history[-2]
    assert model.peaks[0].lod > model.history[0]
    assert len(model.history) == 3
    assert model.converged
    assert model.design.matrix.shape[1] == 3 + 2 * 3
    assert list(model.to_frame()["chromosome"]) == [peak.chromosome for peak in model.peaks]


def test_search_on_one_chromosome_is_the_textbook_one() -> None:
    alone = ONE.genome.only("2")
    model = forward_search(alone, ONE.y, ONE.covariates, threshold=2.0, kinship="none", most=2)
    want = textbook.forward_search(ONE.y, BLOCK[1], ONE.x, None, 2.0, 2)
    assert_allclose(model.history[: len(want)], [lod for _, lod in want], atol=1e-8)


def test_search_stops_at_most() -> None:
    model = forward_search(ONE.genome, ONE.y, ONE.covariates, threshold=0.01, most=1)
    assert len(model.peaks) == 1
    assert len(forward_search(ONE.genome, ONE.y, threshold=50.0).peaks) == 0


# Errors


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probabilities": ()}, "probabilities is empty"),
        ({"probabilities": (BLOCK[0], BLOCK[1][:50], BLOCK[2])}, r"\[1\] has 50 lines and 4"),
        ({"probabilities": (BLOCK[0][:, :, 0], *BLOCK[1:])}, r"\[0\] has 2 dimensions"),
        ({"probabilities": (BLOCK[0][:, :, :1], *BLOCK[1:])}, "expected two founders or more"),
        ({"probabilities": (2.0 * BLOCK[0], *BLOCK[1:])}, "sum of probabilities.* must be one"),
        ({"position": ONE.genome.position[:2]}, "position has 2 chromosomes; expected 3"),
        ({"position": (*ONE.genome.position[:2], np.arange(3.0))}, r"position\[2\] has 3 elements"),
        ({"position": (-ONE.genome.position[0], *ONE.genome.position[1:])}, "must not fall"),
        ({"chromosome": ("1", "1", "2")}, "names '1' twice"),
        ({"founders": ("A", "B")}, "founders has 2 labels; expected 4"),
    ],
)
def test_genome_refuses(change: dict[str, Any], message: str) -> None:
    parts: dict[str, Any] = {"probabilities": BLOCK, "position": ONE.genome.position}
    with pytest.raises(ValueError, match=message):
        Genome(**(parts | change))


def test_genome_refuses_missing_and_negative_probabilities() -> None:
    spoiled = BLOCK[0].copy()
    spoiled[3, 2, 1] = np.nan
    with pytest.raises(ValueError, match=r"sum of probabilities\[0\]\[3, 2\] = nan must be one"):
        Genome((spoiled,), ONE.genome.position[:1])
    spoiled[3, 2] = [-0.5, 0.5, 0.5, 0.5]
    with pytest.raises(ValueError, match=r"probabilities\[0\]\[3, 2, 0\] = -0.5 must not be neg"):
        Genome((spoiled,), ONE.genome.position[:1])
    with pytest.raises(ValueError, match="chromosome 'X' is unknown; there are 1, 2, 3"):
        ONE.genome.at("X", 0)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"numeric": {"age": np.full(6, 3.0)}}, "covariate 'age' is constant"),
        ({"categorical": {"batch": ["a"] * 6}}, "covariate 'batch' is constant"),
        (
            {"categorical": {"batch": list("aabbcc"), "site": list("xxyyyy")}},
            "covariate 'site=y' is explained by 'batch=b', 'batch=c'",
        ),
        (
            {"numeric": {"u": [0, 1, 2, 3, 5, 8], "v": [1, 3, 5, 7, 11, 17]}},
            "covariate 'v' is explained by 'intercept', 'u'",
        ),
        ({"numeric": {"age": [1.0, 2.0]}}, "covariate 'age' has 2 values; expected 6 lines"),
        ({"numeric": {"age": [1.0, 2.0, np.nan, 1, 1, 1]}}, r"age\[2\] = nan must not be NaN"),
    ],
)
def test_design_names_the_column(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        design(6, **columns)


def test_aliased_columns_can_be_dropped_and_are_named() -> None:
    made = design(
        6,
        categorical={"batch": list("aabbcc"), "site": list("xxyyyy")},
        numeric={"age": [1, 2, 3, 4, 5, 7]},
        aliased="drop",
    )
    assert made.names == ("batch=b", "batch=c", "age")
    assert made.dropped == ("site=y",)
    with pytest.raises(ValueError, match=r"expected \(lines, 2\), one column per name"):
        Design(np.ones((5, 1)), ("a", "b"))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.full(60, 2.5), "trait 'phenotype' is constant: 2.5 in all 60 lines"),
        (np.full(60, np.nan), "trait 'phenotype' has 0 lines with a value"),
        (np.where(np.arange(60) < 3, 1.0 * np.arange(60), np.nan), "has 3 lines with a value"),
        (np.where(np.arange(60) < 7, ONE.y, np.nan), "4 fixed columns and 4 founders need 8"),
        (2.0 * ONE.covariates.matrix[:, 1] - 1.0, "explained without error by its covariates"),
    ],
)
def test_traits_that_cannot_be_scanned(y: np.ndarray, message: str) -> None:
    with pytest.raises(AnalysisError, match=message):
        scan(ONE.genome, y, ONE.covariates)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kinship": "half"}, "kinship = 'half' is not known"),
        ({"kinship": np.eye(3)}, r"kinship has the shape \(3, 3\)"),
        ({"kinship": np.full((60, 60), np.nan)}, "must be finite"),
        ({"kinship": np.triu(np.ones((60, 60)))}, "must equal its transpose"),
        ({"kinship": np.diag([-1.0, *np.ones(59)])}, "has the eigenvalue -1"),
        ({"criterion": "aic"}, "criterion = 'aic' is not known"),
        ({"traits": ("a", "b")}, "traits has 2 names; expected 1"),
        ({"design": Design(np.ones((5, 0)), ())}, "design has 5 lines; the genome has 60"),
        ({"phenotype": ONE.y[:5]}, "phenotype has 5 lines; the genome has 60"),
        ({"phenotype": np.full(60, np.inf)}, "phenotype holds an infinite value"),
        ({"phenotype": ["x"] * 60}, "phenotype must hold numbers"),
        ({"phenotype": np.zeros((60, 2, 2))}, r"phenotype has the shape \(60, 2, 2\)"),
    ],
)
def test_scan_refuses(options: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"phenotype": ONE.y, "design": ONE.covariates}
    with pytest.raises(ValueError, match=message):
        scan(ONE.genome, **(arguments | options))


def test_other_refusals() -> None:
    with pytest.raises(ValueError, match="genotypes has 1 dimensions"):
        biallelic([0, 1])
    with pytest.raises(ValueError, match=r"genotypes\[0, 1\] = 2.0 must be 0 or 1"):
        biallelic([[0, 2]])
    with pytest.raises(ValueError, match="drop = 0"):
        support_interval([0.0], [1.0], 0.0)
    with pytest.raises(ValueError, match="probability = 1"):
        bayes_interval([0.0, 1.0], [1.0, 1.0], 1.0)
    with pytest.raises(ValueError, match="lod has 2 elements for 1 positions"):
        position_posterior([0.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="position must not fall"):
        refine_profile([1.0, 0.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="chromosome 'X' is unknown"):
        scan(ONE.genome, ONE.y).rows("X")
    with pytest.raises(ValueError, match=r"kinship has the shape \(3, 3\); expected \(60, 60\)"):
        fit_null(ONE.y, kinship=np.eye(3))
    with pytest.raises(ValueError, match="phenotype has 2 columns; expected one trait"):
        fit_null(np.ones((60, 2)))
    with pytest.raises(ValueError, match="search one trait at a time"):
        forward_search(ONE.genome, np.ones((60, 2)), threshold=3.0)
    with pytest.raises(ValueError, match="threshold = 0"):
        forward_search(ONE.genome, ONE.y, threshold=0.0)


def test_results_report_themselves() -> None:
    result = scan(ONE.genome, ONE.y, ONE.covariates, traits=("weight",))
    frame = result.to_frame()
    assert list(frame.columns) == ["trait", "chromosome", "position", "lod", "f", "p_value"]
    assert len(frame) == ONE.genome.n_positions
    assert frame["lod"].max() == result.lod.max()
    assert "heritability" in result.summary()
    null = fit_null(ONE.y, ONE.covariates, ONE.kinships[0])
    assert null.fixed == ("intercept", "batch=1", "batch=2", "batch=3")
    assert null.spare == 56
