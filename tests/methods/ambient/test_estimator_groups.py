"""Groups of donors, and what they go together with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency, f_oneway, pearsonr

from refsolve.methods.ambient import DonorGroups, confounding, effect_identifiability
from refsolve.methods.ambient import donor_groups as grouped
from refsolve.methods.ambient.textbook import groups as textbook


def donor_groups(rho: Any, se: Any = None, **rest: Any) -> DonorGroups:
    """With few draws."""
    return grouped(rho, se, **{"draws": 200, **rest})


TWO = np.r_[np.linspace(0.05, 0.09, 8), np.linspace(0.2, 0.24, 8)]


def test_two_groups_are_found_in_any_order() -> None:
    rng = np.random.default_rng(0)
    order = rng.permutation(16)
    found, other = donor_groups(TWO), donor_groups(TWO[order])
    assert found.n_groups == 2
    assert found.code.tolist() == [0] * 8 + [1] * 8
    assert (found.low[0], found.high[0], found.cut[0]) == pytest.approx((0.09, 0.2, 0.145))
    np.testing.assert_array_equal(other.code, found.code[order])
    assert other.p == found.p < 0.01


def test_the_gap_test_is_the_textbook_one() -> None:
    rng = np.random.default_rng(1)
    values = rng.random(14)
    found = donor_groups(values, statistic="gap", least=2, draws=300, rng=4)
    want = textbook.widest_gap(values)
    assert found.statistic == pytest.approx(want.statistic, rel=1e-9)
    assert found.p == textbook.gap_p_value(values, 300, np.random.default_rng(4))
    strong = donor_groups(TWO, statistic="gap", se=np.full(16, 0.004))
    assert strong.n_groups == 2


NULLS = {
    "normal": lambda rng: 0.15 + 0.02 * rng.standard_normal(24),
    "uniform": lambda rng: 0.3 * rng.random(24),
    "gamma": lambda rng: rng.gamma(4.0, 0.03, 24),
    "skewed": lambda rng: np.minimum(0.05 * rng.lognormal(0.0, 0.5, 24), 1.0),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(NULLS))
def test_one_group_stays_one(name: str) -> None:
    runs = [donor_groups(NULLS[name](np.random.default_rng(k)), draws=400) for k in range(120)]
    assert sum(run.n_groups > 1 for run in runs) <= 14  # 5 % of 120 and three errors
    one = next(run for run in runs if run.n_groups == 1)
    assert not one.code.any()
    assert one.cut.size == 0


@pytest.mark.slow
def test_groups_near_each_other_are_mostly_found() -> None:
    power = 0
    for k in range(60):
        rng = np.random.default_rng(k)
        rho = np.r_[0.10 + 0.02 * rng.standard_normal(12), 0.25 + 0.02 * rng.standard_normal(12)]
        power += donor_groups(rho, draws=400, most=2).n_groups == 2
    assert power >= 57


def test_three_groups_are_found_by_repetition() -> None:
    rng = np.random.default_rng(3)
    rho = np.r_[0.05 * np.ones(10), 0.12 * np.ones(10), 0.4 * np.ones(10)]
    found = donor_groups(rho + 0.004 * rng.standard_normal(30))
    assert found.n_groups == 3
    assert np.bincount(found.code).tolist() == [10, 10, 10]
    assert (np.diff(found.cut) > 0).all()
    assert donor_groups(rho, most=2).n_groups == 2
    assert donor_groups(rho, most=1).n_groups == 1


@pytest.mark.parametrize("statistic", ["separation", "gap"])
def test_ties_and_few_donors(statistic: str) -> None:
    for rho in ([], [0.1], [0.0] * 12, [0.2, 0.2], [0.1, 0.2, 0.3]):
        found = donor_groups(rho, statistic=statistic)
        assert (found.n_groups, found.p) == (1, 1.0)
    tied = donor_groups([0.0] * 8 + [0.2] * 8, statistic=statistic)
    assert tied.n_groups == 2


def test_a_single_donor_is_a_group_if_asked() -> None:
    rho = np.r_[0.05 + 0.001 * np.arange(15), 0.4]
    assert donor_groups(rho).code[-1] == donor_groups(rho).code[0]
    assert donor_groups(rho, least=1).code.tolist() == [0] * 15 + [1]


def test_sampling_error_widens_what_a_group_is() -> None:
    """The separation is measured in sampling errors where these are larger than the spread."""
    assert donor_groups(TWO, np.full(16, 0.004)).n_groups == 2
    assert donor_groups(TWO, np.full(16, 0.2)).n_groups == 1


def test_imprecise_donors_count_less() -> None:
    rho = np.r_[TWO, 0.145, 0.12, 0.17]
    se = np.r_[np.full(16, 0.003), np.full(3, 0.08)]
    weighted, plain = donor_groups(rho, se), donor_groups(rho)
    assert weighted.statistic > plain.statistic
    assert weighted.n_groups == 2


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: donor_groups([0.1, 1.2]), "must lie in"),
        (lambda: donor_groups([0.1, 0.2], [0.1]), "se has 1 values for 2 donors"),
        (lambda: donor_groups([0.1, 0.2], [0.1, -1.0]), "is no error"),
        (lambda: donor_groups([0.1, 0.2], error_rate=0.0), "strictly between"),
        (lambda: donor_groups([0.1, 0.2], least=0), "must be at least 1"),
        (lambda: donor_groups([0.1, 0.2], statistic="wide"), "choose one of"),
    ],
)
def test_wrong_arguments_are_refused(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_measures_of_association() -> None:
    rng = np.random.default_rng(2)
    group = np.arange(40) % 2
    three = np.arange(40) % 3
    age = rng.normal(50, 10, 40) + 6 * group
    sex = np.where(rng.random(40) < 0.3 + 0.4 * group, "F", "M")
    table = pd.DataFrame({"age": age, "sex": sex, "old": age > 50, "same": 1.0})
    found = confounding(group, table, draws=4000).to_frame().set_index("name")
    r = pearsonr(age, group)
    assert found.loc["age", "measure"] == "r"
    assert found.loc["age", "value"] == pytest.approx(r.statistic)
    assert found.loc["age", "p"] == pytest.approx(r.pvalue, abs=0.02)
    counts = pd.crosstab(sex, group)
    square = chi2_contingency(counts, correction=False).statistic
    assert found.loc["sex", "value"] == pytest.approx(np.sqrt(square / 40))
    assert found.loc["old", "kind"] == "category"
    assert np.isnan(found.loc["same", "p"])
    many = confounding(three, {"age": age}, draws=4000)
    assert many.measure[0] == "eta"
    parts = [age[three == k] for k in range(3)]
    assert many.p[0] == pytest.approx(f_oneway(*parts).pvalue, abs=0.03)


def test_missing_values_and_aliases() -> None:
    group = np.repeat([0, 1], 10)
    genotype = np.where(np.arange(20) < 3, np.nan, 2.0 * group)
    sex = np.array(["F", "M"], object)[group]
    sex[0] = None
    found = confounding(group, {"genotype": genotype, "sex": sex, "one": ["a"] * 20}, draws=500)
    assert found.n.tolist() == [17, 19, 20]
    assert found.aliased.tolist() == [True, True, False]
    mixed = np.array([50, None, 60, 70] * 5, object)
    assert confounding(group, {"age": mixed}, draws=50).kind[0] == "number"
    none = confounding(np.zeros(20), {"genotype": genotype}, draws=50)
    assert np.isnan(none.value[0])
    assert confounding(group, {}).name.size == 0


def test_identifiability() -> None:
    rng = np.random.default_rng(3)
    genotype = rng.integers(0, 3, 30).astype(float)
    group, age = (genotype > 1).astype(float), rng.normal(50, 9, 30)
    found = effect_identifiability(genotype, {"group": group, "age": age, "one": np.ones(30)})
    design = np.column_stack([np.ones(30), group, age])
    fitted = design @ np.linalg.lstsq(design, genotype, rcond=None)[0]
    r2 = 1 - ((genotype - fitted) ** 2).sum() / ((genotype - genotype.mean()) ** 2).sum()
    assert found.r2 == pytest.approx(r2)
    assert found.variance_inflation == pytest.approx(1 / (1 - r2))
    assert not found.aliased
    assert np.isnan(found.correlation[2])
    assert found.correlation[0] == pytest.approx(np.corrcoef(genotype, group)[0, 1])
    table = pd.DataFrame({"group": group, "age": age})
    assert effect_identifiability(genotype, table).r2 == pytest.approx(r2)
    assert effect_identifiability(genotype, {}).variance_inflation == pytest.approx(1.0)


def test_an_aliased_effect_is_flagged() -> None:
    genotype = np.array([0.0, 0.0, 2.0, 2.0])
    found = effect_identifiability(genotype, [[0.0], [0.0], [1.0], [1.0]])
    assert found.aliased
    assert found.variance_inflation == np.inf
    few = effect_identifiability(genotype, np.random.default_rng(0).normal(size=(4, 3)))
    assert few.aliased
    with pytest.raises(ValueError, match="constant over the donors"):
        effect_identifiability([1, 1, 1], [[1], [2], [3]])
    with pytest.raises(ValueError, match="code categories as 0 and 1"):
        effect_identifiability([1, 2, 1], {"sex": ["F", "M", "F"]})
    with pytest.raises(ValueError, match=r"effect\[0\] = inf is not finite"):
        effect_identifiability([np.inf, 2, 1], {})
    with pytest.raises(ValueError, match="is not finite"):
        effect_identifiability([1, 2, 1], [[1], [np.nan], [3]])
