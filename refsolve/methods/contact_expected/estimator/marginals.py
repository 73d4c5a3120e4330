"""Row sums of contacts times weights, of the whole genome or of one chromosome."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from refsolve.core.check import FloatArray, IntArray
from refsolve.methods.contact_expected.kernels import balance as kernels
from refsolve.methods.contact_expected.model.contacts import Mapper, Pixels, pieces, read_piece

SCOPES = {"genome": kernels.GENOME, "cis": kernels.CIS, "trans": kernels.TRANS}
PARTS = 8  # of the contacts; sums do not depend on how many workers there are


class _Job(NamedTuple):
    """What is needed to go through some rows."""

    pixels: Pixels
    stop: IntArray
    scope: int
    ignore_diags: int


class _Part(NamedTuple):
    """Rows and what they add to the sums."""

    rows: tuple[int, int]
    total: FloatArray
    nonzero: IntArray


@dataclass(frozen=True, slots=True)
class Marginals:
    """Row sums of one problem of balancing.

    Attributes
    ----------
    job
        The contacts and which of them are used.
    bins
        Bins of the problem, half open.
    share
        What the contacts of each bin are multiplied with besides its weight.
    map_
        Map over parts of the contacts.
    """

    job: _Job
    bins: tuple[int, int]
    share: FloatArray
    map_: Mapper

    @staticmethod
    def problems(pixels: Pixels, scope: str, ignore_diags: int, map_: Mapper) -> list[Marginals]:
        """One problem, or one per chromosome.

        Between chromosomes a bin of a large chromosome has fewer partners. As in cooler, its
        contacts are divided by the share of the genome that is on other chromosomes.

        Parameters
        ----------
        pixels
            The contacts.
        scope
            Which of them.
        ignore_diags
            Distances below this one are not used.
        map_
            Map over parts of the contacts.
        """
        offset, n_bins = np.asarray(pixels.chrom_offset, np.int64), pixels.start.size
        size = np.diff(offset)
        job = _Job(pixels, np.repeat(offset[1:], size), SCOPES[scope], ignore_diags)
        ends = [(0, n_bins)]
        if scope == "cis":
            ends = list(zip(offset[:-1].tolist(), offset[1:].tolist(), strict=True))
        share = np.ones(n_bins)
        if scope == "trans" and size.size > 1:
            share = np.repeat(1.0 / (1.0 - size / n_bins), size)
        return [Marginals(job, (a, b), share[a:b], map_) for a, b in ends if a < b]

    def row_sums(self, weights: FloatArray) -> FloatArray:
        """Row sums of the contacts times both weights.

        Parameters
        ----------
        weights
            Weight of each bin of the problem, 0 where it takes no part.
        """
        return weights * self.product(weights)

    def product(self, x: FloatArray) -> FloatArray:
        """Contacts times a vector over the bins of the problem.

        Parameters
        ----------
        x
            The vector.
        """
        low, high = self.bins
        whole = np.zeros(self.job.pixels.start.size)
        whole[low:high] = x * self.share
        out = np.zeros_like(whole)
        rows = _parts(self.job.pixels, self.bins)
        for part in _in_order(self.map_(partial(_multiply, self.job, whole), rows)):
            out[part.rows[0] :] += part.total
        return out[low:high] * self.share


def coverage_of(
    pixels: Pixels, scope: str, ignore_diags: int, map_: Mapper
) -> tuple[FloatArray, IntArray]:
    """Contacts of each bin (N,), and its pixels that have any (N,).

    Parameters
    ----------
    pixels
        The contacts.
    scope
        Which of them.
    ignore_diags
        Distances below this one are not used.
    map_
        Map over parts of the contacts.
    """
    n_bins = pixels.start.size
    stop = np.repeat(np.asarray(pixels.chrom_offset[1:], np.int64), np.diff(pixels.chrom_offset))
    job = _Job(pixels, stop, SCOPES[scope], ignore_diags)
    total, nonzero = np.zeros(n_bins), np.zeros(n_bins, np.int64)
    for part in _in_order(map_(partial(_cover, job), _parts(pixels, (0, n_bins)))):
        total[part.rows[0] :] += part.total
        nonzero[part.rows[0] :] += part.nonzero
    return total, nonzero


def _parts(pixels: Pixels, bins: tuple[int, int]) -> list[tuple[int, int]]:
    """Ranges of rows with about as many pixels each."""
    low, high = bins
    offset = pixels.bin1_offset
    wanted = np.linspace(offset[low], offset[high], PARTS + 1)
    edges = low + np.searchsorted(offset[low : high + 1], wanted)
    edges[0], edges[-1] = low, high
    edges = np.unique(edges)
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def _in_order(parts: object) -> list[_Part]:
    return sorted(parts, key=lambda part: part.rows)  # type: ignore[call-overload,no-any-return]


def _multiply(job: _Job, x: FloatArray, rows: tuple[int, int]) -> _Part:
    pixels = job.pixels
    out = np.zeros(x.size)
    for inside, at in pieces(pixels, *rows):
        bin2, count = read_piece(pixels, rows[1], at)
        kernels.add_product(
            pixels.bin1_offset, inside, at, bin2, count, job.stop, job.scope, job.ignore_diags,
            x, out,
        )  # fmt: skip
    return _Part(rows, out[rows[0] :], np.zeros(0, np.int64))


def _cover(job: _Job, rows: tuple[int, int]) -> _Part:
    pixels = job.pixels
    total, nonzero = np.zeros(job.stop.size), np.zeros(job.stop.size, np.int64)
    for inside, at in pieces(pixels, *rows):
        bin2, count = read_piece(pixels, rows[1], at)
        kernels.add_coverage(
            pixels.bin1_offset, inside, at, bin2, count, job.stop, job.scope, job.ignore_diags,
            total, nonzero,
        )  # fmt: skip
    return _Part(rows, total[rows[0] :], nonzero[rows[0] :])
