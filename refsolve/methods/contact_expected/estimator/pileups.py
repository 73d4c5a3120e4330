"""Means of many windows, and the local background of single pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray, IntArray
from refsolve.core.result import Result
from refsolve.methods.contact_expected.estimator.expected import ExpectedCis
from refsolve.methods.contact_expected.estimator.windows import read_windows, scale_of, upper
from refsolve.methods.contact_expected.kernels import pileup
from refsolve.methods.contact_expected.model.combine import Mask
from refsolve.methods.contact_expected.model.contacts import Pixels, Progress

PATCHES = ("centre", "block", "donut", "lowleft", "vertical", "horizontal")


@dataclass(frozen=True, slots=True, eq=False)
class PileUp(Result):
    """Mean window around many pixels.

    Attributes
    ----------
    mean
        Mean of each pixel of the window over the windows that have it (W, W).
    n_valid
        How many these are (W, W).
    n_windows
        Number of windows.
    n_empty
        Windows without any pixel that takes part.
    stack
        All windows (L, W, W), NaN where a pixel takes no part; None where not asked for.
    """

    mean: FloatArray
    n_valid: IntArray
    n_windows: int
    n_empty: int
    stack: FloatArray | None


@dataclass(frozen=True, slots=True, eq=False)
class LocalBackground(Result):
    """Contacts in patches around pixels, and what is expected of them by distance.

    The patches are the pixel itself (centre), 3 x 3 pixels (block), and those of the local
    background: a square without its inner square and without the row and column of the pixel
    (donut), the quarter of it towards the diagonal (lowleft), and three columns (vertical) or three
    rows (horizontal) without the inner square.

    Attributes
    ----------
    patch
        Names of the patches (P,).
    observed
        Contacts in each patch, summed over pixels that take part (L, P).
    expected
        What is expected of these on the same scale, E / (w_i w_j) (L, P).
    n_valid
        Number of these pixels (L, P).
    inner, outer
        Half-widths of the two squares in bins.
    """

    patch: tuple[str, ...]
    observed: FloatArray
    expected: FloatArray
    n_valid: IntArray
    inner: int
    outer: int

    def ratio(self, patch: str) -> FloatArray:
        """Observed over expected in a patch (L,), NaN where nothing is expected.

        Parameters
        ----------
        patch
            Its name.
        """
        p = self._number(patch)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = self.observed[:, p] / self.expected[:, p]
        return np.where(self.expected[:, p] > 0.0, ratio, np.nan)

    def local_expected(self, patch: str = "donut") -> FloatArray:
        """Contacts expected of the centre after correction by a patch (L,), eq. (21).

        Parameters
        ----------
        patch
            Its name.
        """
        centre = self._number("centre")
        there = self.n_valid[:, centre] > 0
        return np.where(there, self.expected[:, centre] * self.ratio(patch), np.nan)

    def to_frame(self) -> pd.DataFrame:
        """One row per pixel: observed, expected and number of pixels of each patch."""
        columns = {}
        for p, name in enumerate(self.patch):
            for kind in ("observed", "expected", "n_valid"):
                columns[f"{name}_{kind}"] = getattr(self, kind)[:, p]
        return pd.DataFrame(columns)

    def _number(self, patch: str) -> int:
        if patch not in self.patch:
            raise ValueError(f"patch = {patch!r} must be one of {self.patch}")
        return self.patch.index(patch)


def pile_up(
    pixels: Pixels,
    bin1: ArrayLike,
    bin2: ArrayLike,
    *,
    flank: int = 10,
    expected: ExpectedCis | None = None,
    weights: ArrayLike | None = None,
    mask: Mask | ArrayLike | None = None,
    ignore_diags: int = 2,
    stack: bool = False,
    progress: Progress | None = None,
) -> PileUp:
    """Mean of windows around many pixels, of observed over expected or of balanced contacts.

    A window that reaches over the end of its region keeps the pixels that are inside.

    Parameters
    ----------
    pixels
        The contacts, in memory or in a file; of a file only the rows of the windows are read.
    bin1, bin2
        Bins of the pixel at the centre of each window (L,), bin1 <= bin2.
    flank
        Bins on each side of the centre.
    expected
        Divide by it; it brings its weights and mask with it.
    weights, mask, ignore_diags
        What is used without an expected.
    stack
        Keep every window.
    progress
        Called with the numbers of windows done and planned.
    """
    if flank < 0:
        raise ValueError(f"flank = {flank} must be at least 0; give the bins on each side")
    i, j = upper(pixels, bin1, bin2)
    scale = scale_of(pixels, expected, weights, mask, ignore_diags)
    W = 2 * flank + 1
    total, number = np.zeros((W, W)), np.zeros((W, W), np.int64)
    kept = np.empty((i.size, W, W)) if stack else None
    done = empty = 0
    for few in read_windows(pixels, i, j, flank, scale):
        with np.errstate(divide="ignore", invalid="ignore"):
            value = few.observed / few.mean
        there = np.isfinite(value)
        total += np.where(there, value, 0.0).sum(axis=0)
        number += there.sum(axis=0)
        empty += int((~there.any(axis=(1, 2))).sum())
        if kept is not None:
            kept[few.number] = np.where(there, value, np.nan)
        done += few.number.size
        if progress is not None:
            progress(done, i.size)
    mean = np.divide(total, number, out=np.full((W, W), np.nan), where=number > 0)
    return PileUp(mean, number, i.size, empty, kept)


def observed_expected(
    pixels: Pixels, expected: ExpectedCis, bin1: ArrayLike, bin2: ArrayLike
) -> FloatArray:
    """Observed over expected of single pixels (L,), eq. (7); NaN where one takes no part.

    Parameters
    ----------
    pixels
        The contacts.
    expected
        Expected by distance, with its weights and mask.
    bin1, bin2
        Bins of each pixel (L,), bin1 <= bin2.
    """
    kept = pile_up(pixels, bin1, bin2, flank=0, expected=expected, stack=True).stack
    assert kept is not None
    return kept[:, 0, 0]


def local_background(
    pixels: Pixels,
    bin1: ArrayLike,
    bin2: ArrayLike,
    *,
    expected: ExpectedCis,
    inner: int = 2,
    outer: int = 5,
) -> LocalBackground:
    """Contacts and expectation of pixels and of the pixels around them.

    Parameters
    ----------
    pixels
        The contacts.
    bin1, bin2
        Bins of each pixel (L,), bin1 <= bin2.
    expected
        Expected by distance, with its weights and mask.
    inner, outer
        Half-widths of the inner and the outer square of the local background in bins.
    """
    if not 1 <= inner < outer:
        raise ValueError(f"inner = {inner} must be at least 1 and below outer = {outer}")
    i, j = upper(pixels, bin1, bin2)
    scale = scale_of(pixels, expected, None, None, 0)
    shapes = patches(inner, outer)
    sums = np.zeros((i.size, len(PATCHES), 2))
    number = np.zeros((i.size, len(PATCHES)), np.int64)
    for few in read_windows(pixels, i, j, outer, scale):
        out = np.zeros((few.number.size, len(PATCHES), 2))
        n = np.zeros(out.shape[:2], np.int64)
        pileup.patch_sums(few.observed, few.mean, shapes, out, n)
        sums[few.number], number[few.number] = out, n
    observed, mean = sums[..., 0].copy(), sums[..., 1].copy()
    return LocalBackground(PATCHES, observed, mean, number, inner, outer)


def patches(inner: int, outer: int) -> NDArray[np.bool_]:
    """Pixels of each patch (P, W, W), in the order of `PATCHES`; the diagonal is down left.

    Parameters
    ----------
    inner, outer
        Half-widths of the two squares in bins.
    """
    a = np.arange(-outer, outer + 1)
    row, column = np.abs(a)[:, None], np.abs(a)[None, :]
    away = (row > inner) | (column > inner)
    return np.stack(
        [
            (row == 0) & (column == 0),
            (row <= 1) & (column <= 1),
            away & (row > 0) & (column > 0),
            away & (a[:, None] > 0) & (a[None, :] < 0),
            away & (column <= 1),
            away & (row <= 1),
        ]
    )
