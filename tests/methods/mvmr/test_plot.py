"""Figures: what is drawn where, from arrays, dicts and results."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from numpy.testing import assert_allclose

from refsolve.methods.mvmr.plot import plot_locus, plot_regions, plot_residuals, region

Z = np.array([[6.0, 1.0, 2.0], [8.0, -7.0, 0.5], [1.0, 9.0, 30.0], [0.2, 0.3, 0.1]])
FIT = {
    "theta": [0.3, 0.2],
    "covariance": [[4e-4, 1e-4], [1e-4, 9e-4]],
    "confidence": 0.95,
    "exposures": ("PROTA", "PROTB"),
}


@pytest.fixture(autouse=True)
def figures_are_closed() -> Iterator[None]:
    yield
    plt.close("all")


def legend(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_locus_shows_instruments_and_what_is_set_aside() -> None:
    ax = plot_locus(
        [2e6, 1e6, 3e6, 4e6],
        Z,
        ("A", "B", "disease"),
        selected=[0, 1, 2],
        aside=[2],
        threshold=5.45,
    )
    assert legend(ax) == ["A", "B", "disease", "direct effect", "threshold"]
    lines = {line.get_label(): line.get_xydata() for line in ax.lines}
    assert_allclose(lines["A"], [[2, 6], [1, 8], [3, 1]])
    assert_allclose(lines["direct effect"], [[3, 30]])
    hollow = [line for line in ax.lines if line.get_markerfacecolor() == "none"]
    assert [line.get_xydata()[0].tolist() for line in hollow[:3]] == [[4, 0.2], [4, 0.3], [4, 0.1]]


def test_locus_checks_its_shape() -> None:
    with pytest.raises(ValueError, match=r"z has the shape \(4, 3\); expected \(4, 2\)"):
        plot_locus(np.arange(4), Z, ("A", "B"))


def test_residuals_of_a_search_and_of_a_robust_fit() -> None:
    search = {"score": [0.5, -12.0, 1.0], "index": [1]}
    ax = plot_residuals(search)
    assert legend(ax) == ["kept", "set aside", "one by chance"]
    assert_allclose(ax.collections[2].get_offsets(), [[2, -12]])
    robust = {"residual": [0.5, -12.0, 1.0], "weight": [1.0, 0.0, 0.9]}
    ax = plot_residuals(robust, limit=3.0)
    assert "weight below one half" in legend(ax)
    assert ax.get_ylabel() == "Whitened residual (SD)"
    ends = [line.get_ydata()[0] for line in ax.lines if line.get_linestyle() == "--"]
    assert_allclose(ends, [-3.0, 3.0])
    with pytest.raises(ValueError, match="dict has no 'residual'"):
        plot_residuals({})


def test_nothing_set_aside_is_not_in_the_legend() -> None:
    ax = plot_residuals({"score": [0.5, 1.0], "index": []})
    assert legend(ax) == ["kept", "one by chance"]


def test_region_holds_the_stated_share() -> None:
    outline = region(FIT["theta"], FIT["covariance"], 0.95)
    centred = outline - np.array(FIT["theta"])[:, None]
    distance = np.einsum("ia,ij,ja->a", centred, np.linalg.inv(FIT["covariance"]), centred)
    assert_allclose(distance, 5.991464547107979, rtol=1e-9)  # chi-squared, 2 df, 95 %


def test_univariable_estimates_lie_on_their_axes() -> None:
    alone = [
        {"theta": [0.5], "interval": [[0.4, 0.6]]},
        {"theta": [0.45], "interval": [[0.4, 0.5]]},
    ]
    ax = plot_regions(FIT, alone, truth=[0.31, 0.21])
    assert legend(ax) == ["95 % region, joint", "joint estimate", "truth", "each exposure alone"]
    points = [line.get_xydata()[0].tolist() for line in ax.lines if line.get_marker() in "Do*"]
    assert [0.5, 0.2] in points
    assert [0.3, 0.45] in points
    assert [0.31, 0.21] in points
    assert ax.get_xlabel() == "Effect of PROTA"
    with pytest.raises(ValueError, match="fit has 1 exposures"):
        plot_regions({**FIT, "theta": [0.3]})
