"""Figures show what they are given."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from numpy.testing import assert_allclose

from refsolve.methods.count_glm import ambient_sensitivity, diagnose, fit_counts, plot
from tests.methods.count_glm.rows import NAMES, donors

mpl.use("Agg")
import matplotlib.pyplot as plt


@pytest.fixture(autouse=True)
def _closed() -> object:
    yield
    plt.close("all")


def test_effects_with_intervals_and_truth() -> None:
    y, x, e = donors()
    fits = {
        "naive": fit_counts(y, x, e.total, names=NAMES),
        "additive": fit_counts(y, x, e, names=NAMES),
    }
    ax = plot.plot_effects(fits, "g", truth=0.4)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["naive", "additive"]
    assert_allclose(ax.lines[0].get_xdata(), fits["naive"].interval[1])
    assert_allclose(ax.lines[3].get_xdata(), fits["additive"].effect[1])
    with pytest.raises(ValueError, match="coefficient 'h' is not in Intercept, g, age"):
        plot.plot_effects(fits, "h")
    assert plot.plot_effects(fits, "g", ax=ax) is ax


def test_rates_of_rows_below_their_ambient_part_are_marked() -> None:
    y, x, e = donors()
    y[:3] = 0.0
    fit = fit_counts(y, x, e)
    ax = plot.plot_rates(y, x[:, 1], fit)
    labels = [t.get_text() for t in ax.get_legend().get_texts()]
    assert "3 below their ambient part" in labels
    assert plot.plot_rates(donors()[0], x[:, 1], fit).get_yscale() == "log"


def test_sensitivity() -> None:
    y, x, e = donors()
    found = ambient_sensitivity(y, x, e, "g", names=NAMES)
    ax = plot.plot_sensitivity(found)
    assert_allclose(ax.lines[0].get_ydata(), found.effect)
    assert "g" in ax.get_ylabel()


def test_residuals_against_the_ambient_share() -> None:
    y, x, e = donors()
    fit = fit_counts(y, x, e)
    share = e.ambient / fit.mu
    ax = plot.plot_residuals(diagnose(y, x, fit), share)
    assert_allclose(ax.lines[0].get_xdata(), share)
    assert np.size(ax.lines[0].get_ydata()) == 60
