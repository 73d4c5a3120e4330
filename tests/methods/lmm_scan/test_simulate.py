"""Simulated mosaics and traits: their moments, and what a naive analysis makes of them."""

from __future__ import annotations

import numpy as np
import pytest

from refsolve.methods.lmm_scan import textbook as tb
from refsolve.methods.lmm_scan.simulate import (
    simulate_batches,
    simulate_mosaics,
    simulate_trait,
)

# --- mosaics -------------------------------------------------------------------------------------


def test_founders_change_at_their_rate() -> None:
    lines = simulate_mosaics(n_lines=3000, n_founders=8, lengths=[100], step=2, changes=4, rng=1)
    founder = lines.founder[0]
    expected = 7 / 8 * (1 - np.exp(-4 * 8 / 7 * 0.02))
    seen = np.mean(founder[:, 1:] != founder[:, :-1])
    np.testing.assert_allclose(seen, expected, rtol=0, atol=4 * np.sqrt(expected / 150_000))
    shares = np.bincount(founder[:, 0], minlength=8) / 3000
    np.testing.assert_allclose(shares, 1 / 8, rtol=0, atol=0.025)
    far = 7 / 8 * (1 - np.exp(-4 * 8 / 7 * 0.6))
    np.testing.assert_allclose(np.mean(founder[:, 0] != founder[:, 30]), far, rtol=0, atol=0.03)


def test_lines_of_a_family_share_two_parents() -> None:
    lines = simulate_mosaics(n_lines=90, n_founders=8, lengths=[60], step=3, families=6, rng=2)
    founder = lines.founder[0]
    for family in range(6):
        mine = founder[lines.family == family]
        assert max(len(set(column)) for column in mine.T) <= 2
    related = tb.kinship(lines.probabilities[0])
    same = lines.family[:, np.newaxis] == lines.family
    np.fill_diagonal(same, False)
    other = ~same & ~np.eye(90, dtype=bool)
    assert related[same].mean() > 0.5
    np.testing.assert_allclose(related[other].mean(), 1 / 8, rtol=0, atol=0.1)


def test_blurred_probabilities_still_sum_to_one() -> None:
    lines = simulate_mosaics(n_lines=4, n_founders=5, lengths=[20, 30], step=5, blur=0.3, rng=3)
    for p, f, at in zip(lines.probabilities, lines.founder, lines.position, strict=True):
        np.testing.assert_allclose(p.sum(axis=2), 1.0, rtol=1e-12)
        np.testing.assert_array_equal(p.argmax(axis=2), f)
        np.testing.assert_allclose(p.max(), 0.7 + 0.06, rtol=1e-12)
        assert p.shape == (4, at.size, 5)
    assert sorted(lines.observed) == ["position", "probabilities"]


def test_one_seed_is_one_data_set() -> None:
    one, two = (simulate_mosaics(n_lines=5, n_founders=4, lengths=[50], families=2, rng=4)
                for _ in range(2))  # fmt: skip
    np.testing.assert_array_equal(one.founder[0], two.founder[0])


# --- batches and traits --------------------------------------------------------------------------


def test_batches_follow_founders_as_far_as_asked() -> None:
    founder = np.random.default_rng(5).integers(0, 8, 20_000)
    for alignment in (0.0, 0.4, 1.0):
        batch = simulate_batches(founder=founder, n_batches=4, alignment=alignment, rng=6)
        table = np.zeros((8, 4))
        np.add.at(table, (founder, batch), 1)
        share = table / table.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(share.max(axis=1), alignment + (1 - alignment) / 4, atol=0.025)
        assert np.bincount(share.argmax(axis=1), minlength=4).max() == 2 or alignment == 0


def test_a_trait_is_the_sum_of_its_parts() -> None:
    lines = simulate_mosaics(n_lines=500, n_founders=8, lengths=[60, 60], step=5, rng=7)
    related, batch = tb.kinship(lines.probabilities[1]), np.arange(500) % 3
    p = lines.probabilities[0][:, 4]
    data = simulate_trait(
        n_lines=500, qtl=[p], effects=[np.arange(8.0)], kinship=related, polygenic=2.0, batch=batch,
        batch_effects=[0, 10, -5], residual=0.25, missing=0.1, rng=8,
    )  # fmt: skip
    total = data.qtl + data.polygenic + data.batch + data.residual
    there = ~np.isnan(data.phenotype)
    np.testing.assert_allclose(data.phenotype[there], total[there], rtol=1e-12)
    np.testing.assert_allclose(there.mean(), 0.9, rtol=0, atol=0.05)
    np.testing.assert_array_equal(data.qtl, p @ np.arange(8.0))
    np.testing.assert_array_equal(data.batch, np.array([0.0, 10.0, -5.0])[batch])
    np.testing.assert_allclose(data.residual.var(), 0.25, rtol=0.2)


def test_polygenic_values_have_the_covariance_of_twice_the_kinship() -> None:
    lines = simulate_mosaics(n_lines=6, n_founders=3, lengths=[50], families=2, rng=9)
    related = tb.kinship(lines.probabilities[0])
    rng = np.random.default_rng(10)
    values = [simulate_trait(n_lines=6, kinship=related, polygenic=0.5, rng=rng).polygenic
              for _ in range(6000)]  # fmt: skip
    np.testing.assert_allclose(np.cov(np.array(values).T), related, rtol=0, atol=0.08)


# --- what a naive analysis gets ------------------------------------------------------------------


def test_a_batch_left_out_is_a_qtl_where_it_follows_founders() -> None:
    """The predicted LOD (a) is met within a fifth; with the batch modelled nothing is left."""
    n, alignment, effects = 400, 0.6, np.array([-1.0, -0.5, 0.5, 1.0])
    lines = simulate_mosaics(n_lines=n, n_founders=8, lengths=[100], step=5, rng=11)
    p, seen, kept = lines.probabilities[0][:, ::5], [], []
    for seed in range(6):
        batch = simulate_batches(founder=lines.founder[0][:, 5], n_batches=4,
                                 alignment=alignment, rng=seed)  # fmt: skip
        y = simulate_trait(n_lines=n, batch=batch, batch_effects=effects, rng=seed).phenotype
        dummies = np.column_stack([np.ones(n), *[batch == b for b in (1, 2, 3)]]).astype(float)
        seen.append(tb.scan(y, p, np.ones((n, 1))).lod)
        kept.append(tb.scan(y, p, dummies).lod[1])
    v, a2 = effects.var(), alignment**2
    predicted = n / 2 * np.log10(1 + a2 * v / (1 + (1 - a2) * v))
    mean = np.mean(seen, axis=0)
    assert mean.argmax() == 1
    np.testing.assert_allclose(mean[1], predicted + 7 / 2 / np.log(10), rtol=0.2)
    assert np.mean(kept) < 3.5


def test_families_inflate_a_scan_without_kinship() -> None:
    """(b): the variance of a founder column that is constant in families, 1 + (m - 1) h2."""
    n, m, h2 = 160, 20, 0.5
    family = np.repeat(np.arange(n // m), m)
    related = (family[:, np.newaxis] == family) / 2
    column = (family % 2).astype(float)
    x = np.column_stack([np.ones(n), column])
    rng, found = np.random.default_rng(12), []
    for _ in range(400):
        y = simulate_trait(n_lines=n, kinship=related, polygenic=h2, residual=1 - h2, rng=rng)
        found.append(np.linalg.lstsq(x, y.phenotype, rcond=None)[0][1])
    believed = np.linalg.inv(x.T @ x)[1, 1]
    np.testing.assert_allclose(np.var(found) / believed, 1 + (m - 1) * h2, rtol=0.25)


def test_kinship_holds_the_error_rate_that_regression_loses() -> None:
    """Of 40 traits without a QTL, at LOD 3 (p about 0.03 for 7 founders at one position)."""
    lines = simulate_mosaics(n_lines=100, n_founders=8, lengths=[40, 100, 100], step=20, families=5,
                             rng=13)  # fmt: skip
    related = tb.loco(lines.probabilities)[0]
    p, x = lines.probabilities[0][:, ::2], np.ones((100, 1))
    rng, naive, mixed = np.random.default_rng(14), [], []
    for _ in range(40):
        y = simulate_trait(n_lines=100, kinship=related, polygenic=0.7, residual=0.3, rng=rng)
        naive.append(tb.scan(y.phenotype, p, x).lod[0])
        mixed.append(tb.scan(y.phenotype, p, x, related).lod[0])
    assert np.mean(np.array(naive) > 3) > 0.3
    assert np.mean(np.array(mixed) > 3) < 0.2


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change, message",
    [
        ({"qtl": [np.eye(3)]}, "1 QTL and 0 rows of effects"),
        ({"polygenic": 0.5}, "polygenic is above 0 without kinship"),
        ({"batch": [0, 1, 2], "batch_effects": [1.0, 2.0]}, "batch\\[2\\] = 2 has no effect"),
        ({"residual": -1.0}, "residual"),
        ({"missing": 1.5}, "missing"),
        ({"n_lines": 0}, "n_lines"),
    ],
)
def test_traits_that_cannot_be_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate_trait(**({"n_lines": 3, "rng": 1} | change))  # type: ignore[arg-type]


def test_mosaics_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="lengths"):
        simulate_mosaics(n_lines=3, n_founders=4, lengths=[0.0], rng=1)
    with pytest.raises(ValueError, match="n_founders"):
        simulate_mosaics(n_lines=3, n_founders=1, lengths=[10.0], rng=1)
