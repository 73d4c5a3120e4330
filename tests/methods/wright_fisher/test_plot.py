"""Figures: what is drawn where, from arrays and from results."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer

from refsolve.methods.wright_fisher.plot import (
    corrected_frequencies,
    plot_profile,
    plot_trajectory,
)
from refsolve.methods.wright_fisher.simulate import simulate_trajectory

S = np.linspace(-0.1, 0.3, 201)
CURVE = {"s": S, "log_likelihood": -7 - (S - 0.1) ** 2 / (2 * 0.03**2)}
FIT = SimpleNamespace(s=0.1, interval=(0.0412, 0.1588), log_likelihood=-7.0)


@pytest.fixture(autouse=True)
def figures_are_closed() -> Iterator[None]:
    yield
    plt.close("all")


def legend(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def line(ax: Axes, label: str) -> np.ndarray:
    (found,) = [one for one in ax.lines if one.get_label() == label]
    return found.get_xydata()


def test_frequencies_are_corrected_for_directional_error() -> None:
    # 67 of 100 reads at e_da = 0.3, e_ad = 0.03: (0.67 - 0.03) / 0.67
    reads = {"derived": [67, 0], "total": [100, 0], "e_da": 0.3, "e_ad": 0.03}
    point, low, high = corrected_frequencies(reads)
    np.testing.assert_allclose(point[0], 0.64 / 0.67, rtol=1e-12)
    # Wilson, 67 of 100: 0.5731 to 0.7544 (Newcombe's formula 3)
    np.testing.assert_allclose(low[0], (0.5731 - 0.03) / 0.67, atol=1e-4, rtol=0)
    assert high[0] == 1.0
    assert np.isnan([point[1], low[1], high[1]]).all()


def test_overdispersed_reads_have_wider_bars() -> None:
    plain = corrected_frequencies({"derived": 10, "total": 30})
    # variance is inflated by 1 + 29 / (28 + 1) = 2: 30 reads are worth 15
    over = corrected_frequencies({"derived": 10, "total": 30, "precision": 28.0})
    half = corrected_frequencies({"derived": 5, "total": 15})
    np.testing.assert_allclose(over, half, rtol=1e-12)
    assert over[2] - over[1] > plain[2] - plain[1]


def test_trajectory_shows_reads_gaps_posterior_and_truth() -> None:
    series = simulate_trajectory(
        selection=0.1, sizes=200, generation=[0, 10, 20, 30], total=[20, 0, 30, 25],
        start_frequency=0.2, e_da=0.2, rng=3,
    )  # fmt: skip
    mean = np.linspace(0.2, 0.7, 31)
    posterior = SimpleNamespace(mean=mean, lower=mean - 0.1, upper=mean + 0.1)
    ax = plot_trajectory(series, posterior, truth=series)
    np.testing.assert_array_equal(line(ax, "truth")[:, 1], series.path)
    np.testing.assert_array_equal(line(ax, "posterior mean")[:, 1], mean)
    assert list(line(ax, "no reads")[:, 0]) == [10]
    (bars,) = [c for c in ax.containers if isinstance(c, ErrorbarContainer)]
    seen = series.total > 0
    want = np.c_[series.generation, corrected_frequencies(series)[0]][seen]
    np.testing.assert_allclose(bars.lines[0].get_xydata(), want, rtol=1e-12)
    assert "generations" in ax.get_xlabel()
    assert not ax.spines["top"].get_visible()


def test_trajectory_of_plain_arrays_draws_into_the_axes_given() -> None:
    _, ax = plt.subplots()
    reads = {"generation": [0, 5], "derived": [1, 4], "total": [5, 5]}
    assert plot_trajectory(reads, truth=[0.2, 0.5], ax=ax) is ax
    assert legend(ax) == ["truth", "reads (95 % interval)"]


def test_profile_is_relative_to_the_maximum_and_shades_the_interval() -> None:
    ax = plot_profile(CURVE, FIT, truth=0.08)
    drawn = line(ax, legend(ax)[0])
    np.testing.assert_allclose(drawn[:, 1], CURVE["log_likelihood"] + 7, rtol=1e-12)
    np.testing.assert_allclose(line(ax, "95 % threshold")[0, 1], -1.9207, atol=1e-4, rtol=0)
    shaded = ax.collections[0].get_paths()[0].vertices
    np.testing.assert_allclose([shaded[:, 0].min(), shaded[:, 0].max()], FIT.interval, rtol=1e-12)
    # the line cuts the curve where the interval ends
    top = shaded[np.isclose(shaded[:, 0], FIT.interval[0], rtol=1e-9), 1].max()
    np.testing.assert_allclose(top, -1.92, atol=0.01, rtol=0)
    assert line(ax, "truth")[0, 0] == 0.08
    # only the part of the curve that can be seen: 6.15 units below the maximum is 3.5 SD
    np.testing.assert_allclose(ax.get_xlim(), [0.1 - 0.11, 0.1 + 0.11], atol=0.005, rtol=0)
    assert "per generation" in ax.get_xlabel()


def test_profile_of_two_loci_tells_them_apart() -> None:
    other = {"s": S, "log_likelihood": -3 - (S / 0.05) ** 2 / 2}
    fits = [FIT, SimpleNamespace(s=0.0, interval=[-0.098, 0.098], log_likelihood=-3.0)]
    ax = plot_profile([CURVE, other], fits, truth=[0.1, 0.0], labels=["A", "B"])
    assert legend(ax)[0].startswith("A: ")
    assert legend(ax)[1].startswith("B: ")
    colours = {one.get_color() for one in ax.lines if one.get_label()[:2] in ("A:", "B:")}
    assert len(colours) == 2


def test_profile_without_a_fit_and_at_another_level() -> None:
    ax = plot_profile(CURVE, confidence=0.9)
    assert max(ax.lines[0].get_ydata()) == 0
    np.testing.assert_allclose(line(ax, "90 % threshold")[0, 1], -1.3528, atol=1e-4, rtol=0)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match="dict has no 'total'"):
        plot_trajectory({"generation": [0], "derived": [1]})
