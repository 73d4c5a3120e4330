"""Stripes: found in their condition, whatever their number, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from refsolve.core.errors import AnalysisError
from refsolve.methods.contact_expected import Background, ContactTable, find_stripes
from refsolve.methods.contact_expected.model.levels import fit_levels
from refsolve.methods.contact_expected.textbook import bin_levels
from tests.methods.contact_expected.samples import draw

TARGET = (8, 15)

SCENES: dict[str, dict[str, Any]] = {
    "raised": {"stripes": [(0, 5, 2.4)]},
    "weak": {"stripes": [(0, 5, 1.2)]},
    "depleted": {"stripes": [(0, 5, 0.5)]},
    "empty": {"stripes": [(0, 5, 1e-9)]},
    "empty, one sample each": {"stripes": [(0, 5, 1e-9)], "samples": (1, 1)},
    "both conditions": {"stripes": [(0, 2, 2.4), (0, 9, 0.4), (1, 14, 1.6), (1, 15, 0.5)]},
    "adjacent": {"stripes": [(0, 5, 2.0), (0, 6, 2.0), (0, 7, 2.0)]},
    "at the ends": {"stripes": [(0, 0, 1.6), (0, 23, 0.6)]},
    "a third of all bins": {"stripes": [(0, b, 2.0) for b in range(1, 24, 3)]},
    "16 bins": {"n": 16, "samples": (2, 2), "stripes": [(0, 2, 2.4), (0, 3, 2.4), (0, 9, 0.4)]},
    "overdispersed": {"dispersion": 0.1, "samples": (1, 1), "stripes": [(0, 5, 2.5)]},
    "few contacts": {"depth": 8.0, "dispersion": 0.05, "stripes": [(0, 5, 2.4)]},
    "in domains": {
        "stripes": [(0, 5, 2.4), (0, 12, 0.4)],
        "domains": [(-1, 3, 10, 1.6), (-1, 12, 20, 1.4)],
    },
    "in compartments": {"n": 40, "stripes": [(0, 5, 2.4), (0, 12, 0.4)], "compartment": 0.3},
}

CLEAN: dict[str, dict[str, Any]] = {
    "plain": {},
    "one sample each": {"samples": (1, 1)},
    "one condition": {"samples": (4,)},
    "overdispersed": {"dispersion": 0.1},
    "few contacts": {"depth": 8.0},
    "domains": {"domains": [(-1, 3, 10, 2.0), (-1, 12, 20, 1.6)]},
    "domain of one condition": {"domains": [(0, 3, 10, 2.0)]},
    "compartments": {"n": 40, "compartment": 0.3},
    "loops": {"loops": [(-1, 8, 17, 4.0), (-1, 3, 11, 3.0), (0, 5, 20, 3.0)]},
}


def marks(table: ContactTable, scene: dict[str, Any]) -> np.ndarray:
    out = np.zeros((len(table.conditions), table.n_bins), dtype=bool)
    for c, b, _ in scene.get("stripes", ()):
        out[c, b] = True
    return out


@pytest.mark.parametrize("name", SCENES)
def test_all_stripes_and_nothing_else(name: str) -> None:
    table = draw(3, **SCENES[name])
    found = find_stripes(table.without(pixels=[TARGET]))
    assert_array_equal(found.masked, marks(table, SCENES[name]))


@pytest.mark.parametrize("name", CLEAN)
def test_clean_data_lose_nothing(name: str) -> None:
    for seed in range(3):
        found = find_stripes(draw(seed, **CLEAN[name]).without(pixels=[TARGET]))
        assert not found.masked.any()


def test_what_both_conditions_share_is_named_and_kept() -> None:
    found = find_stripes(draw(2, stripes=[(0, 5, 2.0), (1, 5, 2.0)]))
    assert not found.masked.any()
    assert_array_equal(np.flatnonzero(found.shared), [5])


def test_with_one_condition_a_level_stands_alone() -> None:
    found = find_stripes(draw(2, samples=(3,), stripes=[(0, 5, 2.0)]))
    assert found.bins == {"case": [5]}


def test_levels_are_those_of_the_stripes() -> None:
    found = find_stripes(draw(4, samples=(8, 8), stripes=[(0, 5, 2.0), (1, 11, 0.5)]))
    assert_allclose(found.log2_level[[0, 1], [5, 11]], [1.0, -1.0], atol=0.1)
    assert_allclose(found.se[0, [3, 7]], found.se[0, 10], rtol=0.5)
    assert np.all(np.abs(found.z[found.masked]) > found.threshold)


def test_the_order_of_conditions_and_bins_does_not_matter() -> None:
    table = draw(5, stripes=[(0, 5, 2.0), (1, 11, 0.5)])
    turned = ContactTable(
        table.counts[::-1],
        table.n_bins - 1 - table.bin2,
        table.n_bins - 1 - table.bin1,
        table.condition[::-1],
        {name: v[::-1] for name, v in table.covariates.items()},
    )
    a, b = find_stripes(table), find_stripes(turned)
    assert b.conditions == a.conditions[::-1]
    assert_array_equal(b.masked, a.masked[::-1, ::-1])
    assert_allclose(b.z, a.z[::-1, ::-1], rtol=1e-4, atol=1e-4)


def test_masked_bins_say_nothing_and_disturb_nothing() -> None:
    table = draw(6, stripes=[(0, 5, 2.0)])
    wild = table.counts.copy()
    wild[:, (table.bin1 == 9) | (table.bin2 == 9)] = np.nan
    noisy = ContactTable(wild, table.bin1, table.bin2, table.condition, table.covariates)
    out = np.arange(24) == 9
    a, b = find_stripes(table.without(masked=out)), find_stripes(noisy)
    assert_array_equal(a.masked, b.masked)
    assert np.isnan(a.z[:, 9]).all()
    assert_allclose(a.z, b.z, rtol=1e-9)


def test_a_stricter_rate_moves_the_bound() -> None:
    table = draw(7)
    rates = [find_stripes(table, error_rate=rate).threshold for rate in (0.05, 0.005, 0.0005)]
    assert rates[0] < rates[1] < rates[2]


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1])
def test_rates_that_are_none(rate: float) -> None:
    with pytest.raises(ValueError, match="error_rate"):
        find_stripes(draw(1), error_rate=rate)


def test_a_condition_without_contacts() -> None:
    table = draw(1)
    empty = table.counts.copy()
    empty[4:] = 0.0
    with pytest.raises(AnalysisError, match="condition control has contacts on fewer than 3"):
        find_stripes(replace(table, counts=empty))
    with pytest.raises(AnalysisError, match="condition case has contacts on fewer than 3"):
        find_stripes(table.without(masked=np.arange(24) > 1))


def test_three_conditions() -> None:
    table = replace(draw(1), condition=("a", "a", "a", "b", "b", "b", "c", "c"))
    counts = table.counts.copy()
    counts[6:, (table.bin1 == 3) | (table.bin2 == 3)] *= 2.0
    assert find_stripes(replace(table, counts=counts)).bins == {"a": [], "b": [], "c": [3]}
    counts[3:6, (table.bin1 == 3) | (table.bin2 == 3)] *= 2.0
    assert find_stripes(replace(table, counts=counts)).bins == {"a": [], "b": [3], "c": [3]}


def test_a_band_of_distances_and_samples_measured_in_part() -> None:
    table = draw(3, stripes=[(0, 5, 2.4)])
    use = table.used & (table.bin2 - table.bin1 <= 8)
    use[0, ::7] = False
    assert find_stripes(replace(table, use=use)).bins == {"case": [5], "control": []}


def test_levels_without_outliers_are_the_textbook_ones() -> None:
    table = draw(8, samples=(4,), dispersion=0.0, stripes=[(0, 5, 2.0)])
    got = fit_levels(table, Background())[0]
    terms = np.column_stack([np.ones(table.bin1.size), table.log_distance])
    theta = np.inf if got.omega == 0.0 else 1.0 / got.omega
    want = bin_levels(table.counts.sum(axis=0), table.bin1, table.bin2, terms, theta)
    se = np.sqrt(np.diag(want.cov))
    assert_allclose(got.level - got.level.mean(), want.level, atol=1.0 * float(se.mean()))


def test_structure_is_the_spread_between_bins() -> None:
    rng = np.random.default_rng(1)
    table = draw(9, n=60)
    level = rng.normal(0.0, 0.2, 60)
    factor = np.exp(level[table.bin1] + level[table.bin2])
    counts = np.rint(table.counts * factor)
    seen = ContactTable(counts, table.bin1, table.bin2, table.condition, table.covariates)
    assert_allclose(find_stripes(seen).structure, 0.2 / np.log(2.0), rtol=0.4)
