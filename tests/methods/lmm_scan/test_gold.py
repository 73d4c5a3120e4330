"""Stored values: R/qtl2 against the textbook, and then against the estimators."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from refsolve.methods.lmm_scan import (
    Design,
    Genome,
    bayes_interval,
    design,
    effects_along,
    fit_null,
    founder_effects,
    kinship,
    loco_kinship,
    scan,
    support_interval,
)
from refsolve.methods.lmm_scan import textbook as tb

GOLD = Path(__file__).parents[2] / "gold" / "founder_hmm"
KINSHIP = {"rtol": 0, "atol": 1e-12}
LOD = {"rtol": 0, "atol": 1e-6}  # the peer finds the heritability to 1e-7
TRAITS, CHROMOSOMES = range(3), range(3)


class Lines(NamedTuple):
    """Probabilities per chromosome, traits, covariates and positions of the peer's lines."""

    probabilities: tuple[np.ndarray, ...]
    y: np.ndarray
    x: np.ndarray
    position: tuple[np.ndarray, ...]


def load(name: str) -> Mapping[str, np.ndarray]:
    with np.load(GOLD / f"{name}.npz") as stored:
        return dict(stored)


def founder_probabilities(data: Mapping[str, np.ndarray], error: float) -> np.ndarray:
    """(n, M, 8) of eight-way lines by selfing; every call is known or missing."""
    n, places = data["G"].shape
    gap = np.diff(data["pos"])
    r = np.where(np.diff(data["chrom"]) > 0, 0.5, (1 - np.exp(-np.abs(gap) / 50)) / 2)
    match = data["G"][:, :, np.newaxis] == data["F"].T
    seen = np.where(match, 1 - error, error)
    seen[data["G"] == 0] = 1.0
    found = np.empty((n, places, 8))
    for i, order in enumerate(data["order"]):
        partner = order[np.argsort(order) ^ 1]
        forward, backward = np.empty((places, 8)), np.ones((places, 8))
        forward[0] = seen[i, 0] / seen[i, 0].sum()
        step = [((1 - q) * (1 - q) - q / 2, q * (1 - q) - q / 2, q / 2) for q in r]
        for k, (same, both, other) in enumerate(step):
            a = forward[k]
            a = (same * a + both * a[partner] + other * a.sum()) * seen[i, k + 1]
            forward[k + 1] = a / a.sum()
        for k, (same, both, other) in reversed(list(enumerate(step))):
            b = backward[k + 1] * seen[i, k + 1]
            b = same * b + both * b[partner] + other * b.sum()
            backward[k] = b / b.sum()
        both_ways = forward * backward
        found[i] = both_ways / both_ways.sum(axis=1, keepdims=True)
    return found


@pytest.fixture(scope="module")
def gold() -> Mapping[str, np.ndarray]:
    return load("out_in120x90")


@pytest.fixture(scope="module")
def lines(gold: Mapping[str, np.ndarray]) -> Lines:
    data = load("in120x90")
    p = founder_probabilities(data, 0.005)
    np.testing.assert_allclose(p[::6], gold["genoprob_e0.005"], rtol=0, atol=1e-12)
    here = [data["chrom"] == c for c in (1, 2, 3)]
    dummies = [data["batch"] == b for b in (1, 2, 3)]
    x = np.column_stack([np.ones(120), *dummies]).astype(float)
    position = tuple(data["pos"][at] for at in here)
    return Lines(tuple(p[:, at] for at in here), data["Y"][:, :3], x, position)


@pytest.fixture(scope="module")
def related(lines: Lines) -> list[np.ndarray]:
    return tb.loco(lines.probabilities)


def of(table: np.ndarray, chromosome: int) -> np.ndarray:
    """Rows of one chromosome."""
    return table[30 * chromosome : 30 * (chromosome + 1)]


# --- the textbook --------------------------------------------------------------------------------


def test_kinship(lines: Lines, related: list[np.ndarray], gold: Mapping[str, np.ndarray]) -> None:
    lower = np.tril_indices(120)
    for c in CHROMOSOMES:
        np.testing.assert_allclose(related[c][lower], gold[f"kinship_loco_{c + 1}"], **KINSHIP)
    overall = tb.kinship(np.concatenate(lines.probabilities, axis=1))
    np.testing.assert_allclose(overall[lower], gold["kinship_overall"], **KINSHIP)


@pytest.mark.parametrize("criterion", ["reml", "ml"])
@pytest.mark.parametrize("chromosome", CHROMOSOMES)
@pytest.mark.parametrize("trait", TRAITS)
def test_lod(
    lines: Lines, related: list[np.ndarray], gold: Mapping[str, np.ndarray],
    criterion: tb.Criterion, chromosome: int, trait: int,
) -> None:  # fmt: skip
    p, k = lines.probabilities[chromosome], related[chromosome]
    got = tb.scan(lines.y[:, trait], p, lines.x, k, criterion)
    stored = f"reml{int(criterion == 'reml')}"
    np.testing.assert_allclose(
        got.lod, of(gold[f"scan1_loco_batch_{stored}"], chromosome)[:, trait], **LOD
    )
    h2 = gold[f"hsq_{stored}"][chromosome, trait]
    np.testing.assert_allclose(got.heritability[0], h2, rtol=0, atol=1e-7)
    ours, theirs = (
        tb.log_likelihood(h, lines.y[:, trait], lines.x, k, criterion)
        for h in (got.heritability[0], h2)
    )
    assert ours >= theirs - 1e-12


def test_lod_without_kinship_and_with_all_of_it(
    lines: Lines, gold: Mapping[str, np.ndarray]
) -> None:
    p = np.concatenate(lines.probabilities, axis=1)
    plain = tb.scan(lines.y[:, 0], p, lines.x)
    np.testing.assert_allclose(plain.lod, gold["scan1_hk_batch"][:, 0], rtol=0, atol=1e-11)
    whole = tb.scan(lines.y[:, 0], p, lines.x, tb.kinship(p))
    np.testing.assert_allclose(whole.lod, gold["scan1_overallK_batch"][:, 0], **LOD)


def test_intervals(lines: Lines, gold: Mapping[str, np.ndarray]) -> None:
    for trait, chromosome, low, peak, high, *bayes in gold["intervals"]:
        c = int(chromosome) - 1
        lod = of(gold["scan1_loco_batch_reml1"], c)[:, int(trait) - 1]
        assert tb.lod_interval(lod, lines.position[c]) == (low, peak, high)
        assert tb.bayes_interval(lod, lines.position[c]) == (bayes[0], bayes[2])


def test_founder_coefficients(
    lines: Lines, related: list[np.ndarray], gold: Mapping[str, np.ndarray]
) -> None:
    for c in CHROMOSOMES:
        h2 = tb.fit_null(lines.y[:, 0], lines.x, related[c]).heritability
        for j, stored in enumerate(of(gold["coef_lmm"], c)):
            got = tb.blue(lines.y[:, 0], lines.probabilities[c][:, j], lines.x, related[c], h2)
            row = [*got.founders, *got.fixed[1:], got.fixed[0]]
            np.testing.assert_allclose(row, stored, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kinship", [True, False])
def test_random_founder_effects(
    lines: Lines, related: list[np.ndarray], gold: Mapping[str, np.ndarray], kinship: bool
) -> None:
    """The peer stops its search of the variance early: every row lies on our curve all the same."""
    gaps = []
    for c in CHROMOSOMES:
        k = related[c] if kinship else None
        h2 = tb.fit_null(lines.y[:, 0], lines.x, k).heritability
        table = of(gold["blup_lmm" if kinship else "blup_hk"], c)
        for j in range(0, 30, 3):
            got = tb.blup(lines.y[:, 0], lines.probabilities[c][:, j], lines.x, k, h2)
            gaps.append(np.abs(np.array([*got.founders, *got.fixed]) - table[j]).max())
    assert max(gaps) < 1e-6
    assert np.median(gaps) < 2e-7


def test_standard_errors_of_the_peer_are_not_those_of_its_model(
    lines: Lines, related: list[np.ndarray], gold: Mapping[str, np.ndarray]
) -> None:
    """Chromosome 2, no kinship: -4 to -15 % at one position, and far off either way elsewhere."""
    ratios = []
    for j in range(30):
        got = tb.blup(lines.y[:, 0], lines.probabilities[1][:, j], lines.x)
        theirs = of(gold["blupSE_hk"], 1)[j]
        if got.share > 0:
            ratios.append(theirs[:8] / got.founders_se)
    at_one_place = tb.blup(lines.y[:, 0], lines.probabilities[1][:, 5], lines.x)
    theirs = of(gold["blupSE_hk"], 1)[5]
    off = theirs[:9] / [*at_one_place.founders_se, at_one_place.fixed_se[0]]
    np.testing.assert_allclose([off.min(), off.max()], [0.85, 0.96], rtol=0, atol=0.03)
    assert np.min(ratios) < 0.95


# --- the estimators ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def genome(lines: Lines) -> Genome:
    return Genome(lines.probabilities, lines.position)


@pytest.fixture(scope="module")
def batches() -> Design:
    return design(120, categorical={"batch": load("in120x90")["batch"]})


def test_estimated_kinship(genome: Genome, gold: Mapping[str, np.ndarray]) -> None:
    lower = np.tril_indices(120)
    for c, k in enumerate(loco_kinship(genome)):
        np.testing.assert_allclose(k[lower], gold[f"kinship_loco_{c + 1}"], **KINSHIP)
    np.testing.assert_allclose(kinship(genome)[lower], gold["kinship_overall"], **KINSHIP)


@pytest.mark.parametrize("criterion", ["reml", "ml"])
def test_scan_of_three_traits_together(
    genome: Genome, lines: Lines, batches: Design, gold: Mapping[str, np.ndarray],
    criterion: tb.Criterion,
) -> None:  # fmt: skip
    found = scan(genome, lines.y, batches, criterion=criterion)
    stored = f"reml{int(criterion == 'reml')}"
    np.testing.assert_allclose(found.lod, gold[f"scan1_loco_batch_{stored}"], **LOD)
    np.testing.assert_allclose(found.heritability, gold[f"hsq_{stored}"], rtol=0, atol=1e-6)


def test_scan_without_kinship_and_with_all_of_it(
    genome: Genome, lines: Lines, batches: Design, gold: Mapping[str, np.ndarray]
) -> None:
    plain = scan(genome, lines.y, batches, kinship="none")
    np.testing.assert_allclose(plain.lod, gold["scan1_hk_batch"], rtol=0, atol=1e-10)
    whole = scan(genome, lines.y, batches, kinship="overall")
    np.testing.assert_allclose(whole.lod, gold["scan1_overallK_batch"], **LOD)


def test_intervals_of_the_estimators(lines: Lines, gold: Mapping[str, np.ndarray]) -> None:
    for trait, chromosome, low, _, high, *bayes in gold["intervals"]:
        c = int(chromosome) - 1
        lod = of(gold["scan1_loco_batch_reml1"], c)[:, int(trait) - 1]
        assert support_interval(lines.position[c], lod) == (low, high)
        assert bayes_interval(lines.position[c], lod) == (bayes[0], bayes[2])


@pytest.mark.parametrize("mixed", [True, False])
def test_effects_along_the_chromosomes(
    lines: Lines, batches: Design, related: list[np.ndarray], gold: Mapping[str, np.ndarray],
    mixed: bool,
) -> None:  # fmt: skip
    gaps = []
    for c in CHROMOSOMES:
        null = fit_null(lines.y[:, 0], batches, related[c] if mixed else None)
        along = effects_along(null, lines.probabilities[c], lines.position[c])
        table = of(gold["blup_lmm" if mixed else "blup_hk"], c)
        gaps.append(np.abs(along.blup - table[:, :8]).max(axis=1))
    assert np.max(gaps) < 1e-6
    assert np.median(gaps) < 2e-7


def test_effects_at_a_position_with_standard_errors(
    lines: Lines, batches: Design, related: list[np.ndarray], gold: Mapping[str, np.ndarray]
) -> None:
    for c, j in ((0, 12), (1, 5), (2, 20)):
        null = fit_null(lines.y[:, 0], batches, related[c])
        got = founder_effects(null, lines.probabilities[c][:, j])
        np.testing.assert_allclose(got.blue, of(gold["coef_lmm"], c)[j][:8], rtol=0, atol=1e-6)
        h2 = tb.fit_null(lines.y[:, 0], lines.x, related[c]).heritability
        args = (lines.y[:, 0], lines.probabilities[c][:, j], lines.x, related[c], h2)
        fixed, random = tb.blue(*args), tb.blup(*args)
        np.testing.assert_allclose(got.blue_se, fixed.founders_se, rtol=1e-5)
        np.testing.assert_allclose(got.blup, random.founders, rtol=0, atol=1e-6)
        np.testing.assert_allclose(got.blup_se, random.founders_se, rtol=1e-5)
        np.testing.assert_allclose(got.contrast_se, random.contrast_se, rtol=1e-5)
        np.testing.assert_allclose(got.fixed_se, random.fixed_se, rtol=1e-5)
