"""Figures: what is drawn where, from arrays, dicts and results."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from numpy.testing import assert_allclose

from refsolve.methods.pseudobulk.plot import (
    plot_cells_against_donors,
    plot_means,
    plot_null,
    plot_p_values,
    plot_volcano,
)

TEST = {
    "log2_fold_change": [0.1, -2.0, 3.0],
    "abundance": [5.0, 6.0, 7.0],
    "p": [0.5, 1e-4, 0.0],
    "q": [0.6, 0.01, 0.0],
}


@pytest.fixture(autouse=True)
def figures_are_closed() -> Iterator[None]:
    yield
    plt.close("all")


def legend(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def points(ax: Axes, start: str) -> np.ndarray:
    return next(line for line in ax.lines if line.get_label().startswith(start)).get_xydata()


def test_histogram_of_p_values() -> None:
    ax = plot_p_values({"donors": [0.01, 0.5, 0.9, np.nan], "cells": [0.01, 0.02]})
    assert legend(ax) == ["donors: 33.3 % below 0.05", "cells: 100.0 % below 0.05", "chance"]
    assert ax.get_xlabel() == "p value"


def test_cells_against_donors() -> None:
    ax = plot_cells_against_donors([1e-9, 0.0, 0.5], [0.4, 1e-3, 0.6])
    assert legend(ax) == ["cells only: 33% of the genes", "others", "p = 0.05"]
    assert_allclose(points(ax, "cells only"), [[-np.log10(0.4), 9.0]], rtol=1e-12)
    assert points(ax, "others")[0, 1] == 50.0  # an underflow is drawn at the edge
    with pytest.raises(ValueError, match="cell_p has 2 genes and donor_p 1"):
        plot_cells_against_donors([0.1, 0.2], [0.1])


def test_volcano_rings_chosen_genes() -> None:
    ax = plot_volcano(TEST, chosen=[0])
    assert legend(ax) == ["others", "FDR below 0.05: 2", "chosen"]
    assert_allclose(points(ax, "FDR"), [[-2.0, 4.0], [3.0, 50.0]], rtol=1e-12)
    assert_allclose(points(ax, "chosen"), [[0.1, -np.log10(0.5)]], rtol=1e-12)


def test_means() -> None:
    ax = plot_means(TEST, fdr=0.005)
    assert legend(ax) == ["others", "FDR below 0.005: 1"]
    assert_allclose(points(ax, "FDR"), [[7.0, 3.0]])
    with pytest.raises(ValueError, match="dict has no 'abundance'"):
        plot_means({})


def test_null_shows_what_was_seen() -> None:
    null = {"counts": [12, 0, 3, 5, 90], "seen": 12, "p": 0.4, "level": 0.05}
    ax = plot_null(null)
    assert set(legend(ax)) == {"5 labellings of donors", "true labels: 12 genes, p = 0.4"}
    heights = [patch.get_height() for patch in ax.patches]
    assert sum(heights) == 5
    assert ax.get_xlabel() == "Genes with p < 0.05"
