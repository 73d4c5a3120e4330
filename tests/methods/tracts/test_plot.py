"""Figures show what they are given: positions, names, thresholds and estimates."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest

from refsolve.methods.tracts import (
    Tracts,
    count_lengths,
    exchanged,
    expected_histogram,
    fit_pulse,
    infer_inversions,
    pulses,
    repair_labels,
    simulate_tracts,
)
from refsolve.methods.tracts.plot import (
    plot_label_evidence,
    plot_lengths,
    plot_profile,
    plot_tracts,
)

DATA = simulate_tracts(time=[6, 9], fraction=[0.1, 0.8], lengths=[2.0, 1.5, 2.5, 1.8], rng=2)
TRACTS = Tracts(**DATA.observed)


@pytest.fixture(autouse=True)
def figures_are_closed() -> Iterator[None]:
    yield
    plt.close("all")


def test_tracts_are_painted_with_marks_and_names() -> None:
    marks = np.arange(TRACTS.n_tracts) == 3
    ax = plot_tracts(TRACTS, island=marks, chromosomes=list("wxyz"), haplotypes=["h1", "h2"])
    assert len(ax.collections[0].get_paths()) == TRACTS.n_tracts
    assert [t.get_text() for t in ax.get_yticklabels()] == list("wxyz")
    assert "h1, h2" in ax.get_ylabel()
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["A", "B", "island"]
    marked = [line for line in ax.lines if len(line.get_xdata())]
    middle = 0.5 * (TRACTS.start[3] + TRACTS.end[3])
    assert marked[0].get_xdata() == pytest.approx([middle])


def test_too_many_paths_are_refused() -> None:
    many = simulate_tracts(time=3, fraction=0.3, lengths=[1.0] * 22, n_haplotypes=4, rng=1)
    with pytest.raises(ValueError, match="4 haplotypes × 22 chromosomes; a figure shows 60"):
        plot_tracts(Tracts(**many.observed))


def test_label_evidence_shows_ratios_and_threshold() -> None:
    called = exchanged(TRACTS, np.arange(4) == 1)
    repair = repair_labels(called, threshold=2.5)
    ax = plot_label_evidence(repair, chromosomes=list("wxyz"))
    words = [t.get_text() for t in ax.get_legend().get_texts()]
    assert words == ["not identified", "as called", "exchanged"]
    shown = np.concatenate([line.get_ydata() for line in ax.lines[1:]])
    np.testing.assert_allclose(np.sort(shown), np.sort(repair.log_ratio), rtol=1e-12)
    band = ax.patches[0].get_extents().transformed(ax.transData.inverted())
    assert (band.y0, band.y1) == pytest.approx((-2.5, 2.5))
    assert plot_label_evidence(infer_inversions(called), threshold=4.0).patches


def test_profile_names_estimates() -> None:
    fit = fit_pulse(TRACTS)
    ax = plot_profile(TRACTS, fit, labels=["h1", "h2"], truth=[6, 9])
    words = [t.get_text() for t in ax.get_legend().get_texts()]
    assert f"h1: {fit.time[0]:.2f}" in words[0]
    assert len([line for line in ax.lines if line.get_linestyle() == ":"]) == 2


def test_lengths_show_counts_and_model() -> None:
    edges = np.linspace(0.0, 2.5, 11)
    counts = count_lengths(TRACTS, edges)
    expected = expected_histogram(pulses([(6, [0.1, 0.9])]), TRACTS.lengths, edges)
    ax = plot_lengths(edges, counts.counts, expected, ancestries=["one", "two"])
    assert set(ax.get_legend_handles_labels()[1]) == {"one", "one, model", "two", "two, model"}
    assert plot_lengths(edges, counts.counts).get_ylabel() == "Tracts"
