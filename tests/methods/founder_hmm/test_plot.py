"""Figures show what they are given: founders, probabilities, gaps and exchanged markers."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest

from refsolve.methods.founder_hmm import (
    Genotypes,
    diplotypes,
    exchangeable,
    intercross,
    reconstruct,
    repair_orientation,
    ril,
    simulate_calls,
    simulate_map,
    simulate_ril,
)
from refsolve.methods.founder_hmm.plot import (
    founder_colours,
    plot_mosaic,
    plot_orientation,
    plot_probabilities,
)

CODE, POSITION = simulate_map(lengths=[40.0, 40.0], n_markers=25, rng=1)
BRED = simulate_ril(n_lines=40, n_founders=4, position=POSITION, chromosome=CODE, rng=1)
DATA = simulate_calls(BRED, flipped=(5, 30), rng=1)
LINES = Genotypes(**DATA.observed)
REPAIR = repair_orientation(LINES, exchangeable(4))
FOUND = reconstruct(REPAIR.genotypes, ril(4), 0.005)


@pytest.fixture(autouse=True)
def figures_are_closed() -> Iterator[None]:
    yield
    plt.close("all")


def words(ax: plt.Axes) -> list[str]:
    return [t.get_text() for t in ax.get_legend().get_texts()]


def test_mosaic_shows_the_most_likely_founder_and_leaves_doubt_white() -> None:
    ax = plot_mosaic(FOUND, chromosome=1, lines=[f"L{i}" for i in range(40)])
    shown = ax.collections[0].get_array()
    best = FOUND.probability[1]
    np.testing.assert_array_equal(np.ma.getmaskarray(shown), best.max(axis=2) < 0.5)
    np.testing.assert_array_equal(
        shown[~np.ma.getmaskarray(shown)], best.argmax(axis=2)[best.max(axis=2) >= 0.5]
    )
    assert words(ax) == ["A", "B", "C", "D"]
    assert ax.get_yticklabels()[3].get_text() == "L3"


def test_a_mosaic_of_pairs_is_refused() -> None:
    pairs = reconstruct(REPAIR.genotypes, diplotypes(intercross(4, 5)), 0.005)
    with pytest.raises(ValueError, match="found has pairs of founders"):
        plot_mosaic(pairs)
    assert len(plot_probabilities(pairs, 2).collections) == 4


def test_probabilities_are_stacked_to_one() -> None:
    ax = plot_probabilities(FOUND, 3, names=["w", "x", "y", "z"], truth=DATA.haplotype[3, 0, :25])
    assert words(ax) == ["w", "x", "y", "z"]
    top = max(path.vertices[:, 1].max() for path in ax.collections[3].get_paths())
    assert top == pytest.approx(1.0)
    np.testing.assert_array_equal(ax.collections[4].get_array().ravel(), DATA.haplotype[3, 0, :25])


@pytest.mark.parametrize("value", ["disagreement", "error_rate", "log_ratio"])
def test_exchanged_markers_stand_out(value: str) -> None:
    ax = plot_orientation(REPAIR, value=value)
    assert set(words(ax)) >= {"as recorded", "exchanged"}
    kept, flipped = ax.lines[-2:]
    assert len(flipped.get_xdata()) == 2
    assert len(kept.get_xdata()) == 48
    assert flipped.get_ydata().min() > kept.get_ydata().max()
    assert [t.get_text() for t in ax.get_xticklabels()] == ["0", "1"]


def test_an_unknown_value_is_refused() -> None:
    with pytest.raises(ValueError, match="value = 'x' is not known"):
        plot_orientation(REPAIR, value="x")


def test_many_founders_have_colours_of_their_own() -> None:
    assert len({tuple(np.atleast_1d(c)) for c in founder_colours(16)}) == 16
