"""Figures: what is drawn where, from results and dicts."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from numpy.testing import assert_allclose

from refsolve.methods.contact_expected import find_stripes, fit_expected
from refsolve.methods.contact_expected.plot import plot_decay, plot_ratio_map, plot_stripes
from tests.methods.contact_expected.samples import draw

TABLE = {
    "counts": [[8.0, 2.0, 3.0], [4.0, 2.0, 1.0], [1.0, 1.0, 1.0]],
    "use": np.array([[True, False, True]] * 3),
    "bin1": [0, 0, 1],
    "bin2": [1, 2, 2],
    "condition": ("case", "case", "control"),
}
FIT = {"mu": [[2.0, 2.0, 2.0], [1.0, 2.0, 2.0], [1.0, 1.0, 1.0]]}
STRIPES = {
    "z": [[0.5, 9.0, -1.0], [0.1, np.nan, -8.0]],
    "masked": [[False, True, False], [False, False, True]],
    "threshold": 4.0,
    "conditions": ("case", "control"),
}


@pytest.fixture(autouse=True)
def figures_are_closed() -> Iterator[None]:
    yield
    plt.close("all")


def legend(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_map_shows_the_log2_ratio_of_sums_on_both_sides() -> None:
    ax = plot_ratio_map(TABLE, FIT, "case", target=(2, 0))
    shown = np.ma.filled(ax.images[0].get_array(), np.nan)
    assert_allclose(shown[0, 1], 2.0)
    assert_allclose(shown, shown.T)
    assert np.isnan(np.diag(shown)).all()
    assert_allclose(ax.lines[0].get_xydata(), [[2, 0], [0, 2]])


def test_map_greys_what_is_masked() -> None:
    ax = plot_ratio_map(TABLE, FIT, "case", masked=[False, True, False])
    shown = np.ma.filled(ax.images[0].get_array(), np.nan)
    assert np.isfinite(shown).sum() == 2
    with pytest.raises(ValueError, match="condition"):
        plot_ratio_map(TABLE, FIT, "cases")


def test_decay_shows_used_pixels_the_fit_and_the_target() -> None:
    ax = plot_decay(TABLE, FIT, target=(0, 2))
    lines = {line.get_label(): line.get_xydata() for line in ax.lines}
    assert_allclose(lines["expected, case"][0], [1, 1.75])
    assert_allclose(lines["target, case"], [[2, 2.0]])
    assert_allclose(lines["target, control"], [[2, 1.0]])
    dots = ax.lines[0].get_xydata()
    assert_allclose(np.sort(dots[:, 1]), [2.0, 6.0])
    assert legend(ax) == ["expected, case", "target, case", "expected, control", "target, control"]


def test_stripes_are_ringed_and_the_bound_is_drawn() -> None:
    ax = plot_stripes(STRIPES)
    assert legend(ax) == ["case", "masked", "control", "bound"]
    rings = [line.get_xydata() for line in ax.lines if line.get_markersize() == 11]
    assert_allclose(np.concatenate(rings), [[0.92, 9.0], [2.08, -8.0]])
    bounds = [line.get_ydata()[0] for line in ax.lines if line.get_linestyle() == "--"]
    assert_allclose(bounds, [-4.0, 4.0])


def test_results_are_drawn_as_they_are() -> None:
    table = draw(1, stripes=[(0, 5, 2.4)])
    found = find_stripes(table)
    used = table.without(masked=found.masked)
    fit = fit_expected(used)
    first, second, third = plt.subplots(1, 3)[1]
    assert plot_stripes(found, ax=first) is first
    assert plot_ratio_map(table, fit, "case", masked=found.masked[0], ax=second) is second
    assert plot_decay(used, fit, ax=third) is third
