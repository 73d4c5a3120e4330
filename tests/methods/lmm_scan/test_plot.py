"""Figures: what is drawn where, from results and from dicts."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from numpy.testing import assert_allclose

from refsolve.core.figure import VERMILION
from refsolve.methods.lmm_scan import (
    effects_along,
    find_peak,
    fit_null,
    founder_effects,
    scan,
)
from refsolve.methods.lmm_scan.plot import (
    plot_effects_along,
    plot_founder_effects,
    plot_lod,
    plot_permutations,
)
from tests.methods.lmm_scan.population import population

ONE = population()
RESULT = scan(ONE.genome, ONE.y, ONE.covariates)


@pytest.fixture(autouse=True)
def figures_are_closed() -> Iterator[None]:
    yield
    plt.close("all")


def legend(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_genome_is_drawn_end_to_end() -> None:
    ax = plot_lod(RESULT, threshold=3.0)
    assert len(ax.lines) == 4
    assert legend(ax) == ["LOD", "threshold"]
    ends = [line.get_xdata()[[0, -1]] for line in ax.lines[:3]]
    assert ends[0][1] < ends[1][0] < ends[1][1] < ends[2][0]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1", "2", "3"]
    assert_allclose(ax.lines[1].get_ydata(), RESULT.lod[RESULT.rows("2"), 0])


def test_one_chromosome_with_peak_and_truth() -> None:
    peak = find_peak(RESULT)
    ax = plot_lod(RESULT, chromosome="2", peak=peak, truth=20.0)
    assert legend(ax) == ["LOD", "support interval", "truth"]
    assert_allclose(ax.lines[0].get_xdata(), ONE.genome.position[1])
    span = ax.patches[0].get_bbox()
    assert (span.x0, span.x1) == peak.support


def test_scans_are_compared_on_one_pair_of_axes() -> None:
    lower = {"chromosome": ["2"] * 3, "position": [0.0, 1.0, 2.0], "lod": [0.1, 0.2, 0.1]}
    ax = plot_lod(RESULT, chromosome="2")
    top = ax.get_ylim()[1]
    assert plot_lod(lower, chromosome="2", label="other", colour=VERMILION, ax=ax) is ax
    assert legend(ax) == ["LOD", "other"]
    assert ax.get_ylim()[1] >= top > RESULT.lod[RESULT.rows("2")].max()


def test_effects_of_founders() -> None:
    effects = founder_effects(fit_null(ONE.y, ONE.covariates), ONE.genome.at("2", 5))
    ax = plot_founder_effects(effects, truth=[1.0, 2.0, 3.0, 6.0])
    assert legend(ax) == ["truth", "shrunken (BLUP)", "fixed (BLUE)"]
    stars = next(line for line in ax.lines if line.get_label() == "truth")
    assert_allclose(stars.get_ydata(), [-2.0, -1.0, 0.0, 3.0])
    assert [text.get_text() for text in ax.get_xticklabels()] == ["A", "B", "C", "D"]
    with pytest.raises(ValueError, match="dict has no 'blup'"):
        plot_founder_effects({"founders": ["A"]})


def test_effects_along_a_chromosome() -> None:
    null = fit_null(ONE.y, ONE.covariates)
    profile = effects_along(null, ONE.genome.probabilities[1], ONE.genome.position[1])
    ax = plot_effects_along(profile)
    assert legend(ax) == ["A", "B", "C", "D"]
    assert_allclose(ax.lines[2].get_ydata(), profile.blup[:, 2])
    assert legend(plot_effects_along(profile, founders=["B"])) == ["B"]
    with pytest.raises(ValueError, match="names 'Q'; the profile has A, B, C, D"):
        plot_effects_along(profile, founders=["Q"])


def test_permutations_and_the_observed_lod() -> None:
    ax = plot_permutations({"largest_lod": np.arange(1.0, 101.0)}, observed=120.0)
    assert set(legend(ax)) == {"permuted", "5 % threshold", "observed"}
    marks = {line.get_label(): line.get_xdata()[0] for line in ax.lines}
    assert marks["observed"] == 120.0
    assert marks["5 % threshold"] == 96.0
