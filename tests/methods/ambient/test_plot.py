"""Figures: what is drawn where, from arrays, dicts and results."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes

from refsolve.methods.ambient import (
    DropletDesign,
    ambient_profile,
    call_droplets,
    call_states,
    donor_contamination,
    donor_groups,
    find_unexpressed,
    simulate_droplets,
)
from refsolve.methods.ambient.plot import (
    plot_contamination,
    plot_droplets,
    plot_posterior,
    plot_states,
)

FIT = {"rho": [0.2, 0.05, 0.21, 0.06], "low": [0.18, 0.04, 0.19, 0.05],
       "high": [0.22, 0.06, 0.23, 0.07]}  # fmt: skip
GROUPS = {"code": [1, 0, 1, 0], "low": [0.06], "high": [0.2]}


@pytest.fixture(autouse=True)
def figures_are_closed() -> Iterator[None]:
    yield
    plt.close("all")


def legend(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_droplets_by_rank() -> None:
    call = {
        "total": [9.0, 500.0, 0.0, 40.0],
        "cell": [False, True, False, False],
        "empty": [False, False, False, True],
        "knee": 450.0,
    }
    ax = plot_droplets(call)
    assert {"cell", "in the profile", "neither", "knee: 450"} == set(legend(ax))
    drawn = {line.get_label(): line.get_xydata().tolist() for line in ax.lines}
    assert drawn["cell"] == [[1.0, 500.0]]
    assert drawn["neither"] == [[3.0, 9.0]]


def test_donors_ascend_and_gaps_are_shaded() -> None:
    ax = plot_contamination(FIT, groups=GROUPS, truth=[0.2, 0.05, 0.2, 0.05])
    assert {"group 1", "group 2", "truth"} <= set(legend(ax))
    truth = next(line for line in ax.lines if line.get_label() == "truth")
    np.testing.assert_allclose(truth.get_ydata(), [0.05, 0.05, 0.2, 0.2])
    assert len(ax.patches) == 1
    assert legend(plot_contamination(FIT)) == ["donors"]


def test_states_are_counted_in_the_legend() -> None:
    score = [0.0, 1.0, 2.0, 9.0]
    call = {"active": [False, False, False, True], "cut": 5.0, "low": 2.0, "high": 9.0}
    ax = plot_states(score, call)
    assert {"resting: 3 cells", "activated: 1 cells", "boundary 5.0"} <= set(legend(ax))
    alone = plot_states(score, {"active": [False] * 4, "cut": np.nan})
    assert legend(alone) == ["resting: 4 cells"]


def test_density_of_pairs() -> None:
    grid = np.linspace(0, 1, 101)
    found = {"grid": grid, "density": np.exp(-((grid - 0.2) ** 2) / 0.002), "rho": 0.2,
             "low": 0.15, "high": 0.25, "ratio": [0.1, 0.2, 0.3]}  # fmt: skip
    ax = plot_posterior(found, truth=0.2)
    assert "0.200 (0.150 to 0.250)" in legend(ax)
    assert "truth" in legend(ax)
    assert ax.get_xlim()[1] < 0.5


def test_results_of_the_method_are_drawn() -> None:
    design = DropletDesign(donors=4, cells=60, empties=800, genes=120, types=3, rho=(0.1, 0.3))
    data = simulate_droplets(design, rng=1)
    profile = ambient_profile(data.counts)
    total = np.asarray(data.cells.sum(axis=1)).ravel()
    marker = data.cells[:, [0]].toarray().ravel()
    fit = donor_contamination(marker, total, data.donor, profile.share[0])
    figure, axes = plt.subplots(2, 2)
    plot_droplets(call_droplets(data.counts, draws=200, rng=0), ax=axes[0, 0])
    plot_contamination(fit, groups=donor_groups(fit.rho), ax=axes[0, 1])
    score = np.r_[np.zeros(20), np.full(20, 30.0)] + np.arange(40) % 5
    plot_states(score, call_states(score), ax=axes[1, 0])
    pairs = find_unexpressed(data.cells, data.type, profile, specific=0.2, quantile=0.3)
    assert plot_posterior(pairs, ax=axes[1, 1]) is axes[1, 1]
    figure.canvas.draw()
    assert all(ax.get_xlabel() for ax in axes.ravel())


def test_what_is_absent_is_named() -> None:
    with pytest.raises(ValueError, match="has no 'low'"):
        plot_contamination({"rho": [0.1]})
