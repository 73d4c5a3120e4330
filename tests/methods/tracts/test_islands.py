"""Islands: which short calls are taken for artefacts, and which are not."""

from __future__ import annotations

import numpy as np
import pytest

from refsolve.methods.tracts import (
    Tracts,
    dropped,
    find_islands,
    merge_islands,
    repair_islands,
    textbook,
)

LENGTH = 2.0
TRUE, FALSE = (0.97, 0.1), (0.6, 0.8)


def calls(n: int = 24, seed: int = 1, **spoilt: dict[int, tuple[float, float]]) -> Tracts:
    """Two haplotypes of two chromosomes, n tracts each; every third one is 5 mM long.

    `true` and `false` give posterior and low-complexity share of some short tracts by number.
    """
    rng = np.random.default_rng(seed)
    width = np.where(np.arange(n) % 3 == 1, 0.005, 0.1 + rng.random(n))
    width *= np.where(width > 0.01, (LENGTH - 0.005 * (n // 3)) / width[width > 0.01].sum(), 1.0)
    ends = np.cumsum(width)
    start = np.tile(np.r_[0.0, ends[:-1]], 4)
    end = np.tile(np.r_[ends[:-1], LENGTH], 4)
    quality = np.column_stack([1 - 0.05 * rng.random(4 * n), 0.2 * rng.random(4 * n)])
    for at, value in spoilt.get("at", {}).items():
        quality[at] = value
    return Tracts(
        np.repeat([0, 0, 1, 1], n),
        np.repeat([0, 1, 0, 1], n),
        start,
        end,
        np.tile(np.arange(n) % 2, 4),
        [LENGTH, LENGTH],
        posterior=quality[:, 0],
        low_complexity=quality[:, 1],
    )


def found(tracts: Tracts, **numbers: float) -> list[int]:
    return np.flatnonzero(repair_islands(tracts, **numbers).island).tolist()


@pytest.mark.parametrize("at", [[4], [4, 10], [1, 25, 31, 52, 58, 94]])
def test_short_calls_poor_in_both_qualities_are_islands(at: list[int]) -> None:
    tracts = calls(at=dict.fromkeys(at, FALSE))
    repair = repair_islands(tracts)
    assert np.flatnonzero(repair.island).tolist() == at
    assert repair.n_islands == len(at)
    changed = repair.tracts.ancestry != tracts.ancestry
    np.testing.assert_array_equal(changed, repair.island)
    low, high = repair.posterior_gap
    assert 0.6 - 1e-9 <= high < 0.85 < low
    low, high = repair.low_complexity_gap
    assert low < 0.25 < high <= 0.8 + 1e-9


def test_calls_without_artefacts_stay() -> None:
    assert [found(calls(seed=seed)) for seed in range(30)] == [[]] * 30


@pytest.mark.parametrize("quality", [(0.6, 0.1), (0.97, 0.8)], ids=["posterior", "complexity"])
def test_one_poor_quality_makes_no_island(quality: tuple[float, float]) -> None:
    assert found(calls(at={4: quality, 10: quality, 16: FALSE})) == [16]


def test_long_calls_are_no_islands() -> None:
    """Tract 2 is long; of lengths that are far apart, the shorter ones are suspects."""
    tracts = calls(at={2: FALSE, 4: FALSE, 50: FALSE, 52: FALSE})
    assert tracts.length[2] > 0.01
    repair = repair_islands(tracts, length=0.02)
    assert np.flatnonzero(repair.island).tolist() == [4, 52]
    assert repair.length_gap[0] == pytest.approx(0.005)


@pytest.mark.parametrize("column", ["posterior", "low_complexity"])
@pytest.mark.parametrize("how", ["absent", "unknown", "constant"])
def test_one_quality_is_enough(column: str, how: str) -> None:
    at = [4, 28, 52, 76]
    tracts = calls(at=dict.fromkeys(at, FALSE))
    value = {"absent": None, "unknown": np.full(96, np.nan), "constant": np.ones(96)}[how]
    columns = {name: getattr(tracts, name) for name in ("posterior", "low_complexity")}
    columns[column] = value
    names = ("haplotype", "chromosome", "start", "end", "ancestry", "lengths")
    repair = repair_islands(Tracts(*(getattr(tracts, name) for name in names), **columns))
    assert np.flatnonzero(repair.island).tolist() == at
    assert len(repair.qualities) == 1
    assert np.isnan(getattr(repair, f"{column}_gap")).all()


def test_a_tract_of_unknown_quality_is_judged_by_the_other_one() -> None:
    tracts = calls(at={4: (np.nan, 0.8), 10: FALSE, 16: FALSE, 22: (np.nan, np.nan)})
    assert found(tracts) == [4, 10, 16]


def test_numbers_decide_without_a_gap() -> None:
    """A row of ever poorer short calls leaves no gap."""
    steps = {4 + 3 * k: (0.96 - 0.02 * k, 0.1 + 0.025 * k) for k in range(30) if 4 + 3 * k < 92}
    repair = repair_islands(calls(at=steps), posterior=0.6, low_complexity=0.55)
    assert np.isnan(repair.gap).all()
    assert np.isnan(repair.expected_false)
    poor = [at for at, (p, share) in steps.items() if p < 0.6 and share > 0.55]
    assert np.flatnonzero(repair.suspect).tolist() == poor
    assert "the given numbers decide" in repair.reason


def test_scale_does_not_matter() -> None:
    """Posteriors all near 1, shares all near 0."""
    at = [4, 28, 52, 76]
    tracts = calls(at=dict.fromkeys(at, FALSE))
    squeezed = Tracts(
        tracts.haplotype, tracts.chromosome, tracts.start, tracts.end, tracts.ancestry,
        tracts.lengths, posterior=1 - 0.1 * (1 - tracts.posterior),
        low_complexity=0.2 * tracts.low_complexity,
    )  # fmt: skip
    assert found(squeezed) == at


def test_reciprocal_islands_and_those_at_ends_are_named() -> None:
    """Neighbours of tract 0 and of its counterpart begin their chromosomes."""
    tracts = calls(at={0: FALSE, 4: FALSE, 52: FALSE})
    ancestry = tracts.ancestry.copy()
    ancestry[48:72] = 1 - ancestry[48:72]
    repair = repair_islands(tracts.relabelled(ancestry), length=2.0)
    assert np.flatnonzero(repair.reciprocal).tolist() == [4, 52]
    assert np.flatnonzero(repair.at_end).tolist() == [0]


@pytest.mark.parametrize("seed", range(20))
def test_merging_is_that_of_the_textbook(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tracts = calls()
    tracts = tracts.relabelled(rng.integers(2, size=tracts.n_tracts))
    suspect = rng.random(tracts.n_tracts) < 0.4
    merged, island = merge_islands(tracts, suspect), find_islands(tracts, suspect)
    for path in range(4):
        rows = slice(24 * path, 24 * path + 24)
        one = textbook.Path(tracts.start[rows], tracts.end[rows], tracts.ancestry[rows])
        np.testing.assert_array_equal(island[rows], textbook.islands(one, suspect[rows]))
        again = textbook.Path(merged.start[rows], merged.end[rows], merged.ancestry[rows])
        expected = textbook.merge_islands(one, suspect[rows])
        assert textbook.count_switches([again]) == textbook.count_switches([expected])
        assert textbook.called_fraction([again]) == pytest.approx(
            textbook.called_fraction([expected]), rel=1e-12
        )


def test_dropped_islands_leave_gaps() -> None:
    tracts = calls(at={4: FALSE})
    rest = dropped(tracts, repair_islands(tracts).island)
    assert rest.n_tracts == tracts.n_tracts - 1
    assert rest.length.sum() == pytest.approx(tracts.length.sum() - 0.005)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"posterior": 1.5}, "posterior"),
        ({"low_complexity": 0.0}, "low_complexity"),
        ({"length": 0.0}, "length = 0.0 must be positive; give Morgans"),
    ],
)
def test_arguments_are_checked(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        repair_islands(calls(), **arguments)


def test_without_any_quality_nothing_is_told() -> None:
    tracts = calls()
    names = ("haplotype", "chromosome", "start", "end", "ancestry", "lengths")
    columns = [getattr(tracts, name) for name in names]
    with pytest.raises(ValueError, match="neither posterior nor low_complexity"):
        repair_islands(Tracts(*columns))
    blank = Tracts(*columns, posterior=np.full(96, np.nan), low_complexity=np.zeros(96))
    repair = repair_islands(blank)
    assert repair.n_islands == 0
    assert repair.qualities == ()
    assert repair.reason == "No quality varies: nothing tells an artefact."


def test_marks_are_one_per_tract() -> None:
    with pytest.raises(ValueError, match=r"expected \(96,\) truth values"):
        find_islands(calls(), [True])
