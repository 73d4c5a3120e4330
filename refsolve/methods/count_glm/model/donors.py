"""Rows in the order of donors, and donor totals, eq. (9)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from refsolve.core.check import FloatArray, IntArray
from refsolve.methods.count_glm.model.design import CountData
from refsolve.methods.count_glm.model.exposure import Exposure

EQUAL = 1e-12  # relative difference of ambient to native exposure within a donor


@dataclass(frozen=True, slots=True)
class DonorRows:
    """Rows of donors, those of one donor together.

    Attributes
    ----------
    data
        Counts in this order.
    start
        First row of every donor, and the number of rows (donors + 1).
    constant
        What is added to a log-likelihood without log y! to make it that of the original rows.
    collapsed
        A row is a donor's total.
    """

    data: CountData
    start: IntArray
    constant: float
    collapsed: bool

    @property
    def n_donors(self) -> int:
        """Number of donors."""
        return int(self.start.size - 1)

    @property
    def donor(self) -> IntArray:
        """Donor of every row."""
        return np.repeat(np.arange(self.n_donors), np.diff(self.start))


def by_donor(data: CountData, donor: IntArray, n: int) -> DonorRows:
    """Rows in the order of donors.

    Parameters
    ----------
    data
        Counts.
    donor
        Codes of the rows.
    n
        Number of donors.
    """
    order = np.argsort(donor, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(donor, minlength=n))]).astype(np.int64)
    x = np.ascontiguousarray(data.x[order])
    rows = CountData(data.y[order], x, data.exposure.rows(order), data.names)
    return DonorRows(rows, start, -float(gammaln(data.y + 1.0).sum()), collapsed=False)


def same_within(x: FloatArray, donor: IntArray, n: int) -> bool:
    """All covariates are the same for the rows of a donor.

    Parameters
    ----------
    x
        Covariates (n, p).
    donor
        Codes of the rows.
    n
        Number of donors.
    """
    return bool((x == x[_first(donor, n)][donor]).all())


def columns_of_donors(x: FloatArray, donor: IntArray, n: int) -> int:
    """Number of covariates that are the same for all rows of a donor.

    Parameters
    ----------
    x
        Covariates (n, p).
    donor
        Codes of the rows.
    n
        Number of donors.
    """
    return int((x == x[_first(donor, n)][donor]).all(axis=0).sum())


def lossless(exposure: Exposure, donor: IntArray, n: int) -> bool:
    """Totals say all: the ambient part is the same share of the exposure for rows of a donor.

    Parameters
    ----------
    exposure
        Of the rows.
    donor
        Codes of the rows.
    n
        Number of donors.
    """
    ratio = exposure.ambient / exposure.native
    first = ratio[_first(donor, n)][donor]
    return bool((np.abs(ratio - first) <= EQUAL * np.abs(first)).all())


def donor_totals(data: CountData, donor: IntArray, n: int) -> DonorRows:
    """One row per donor; the constant makes it comparable with the rows where nothing is lost.

    Parameters
    ----------
    data
        Counts, the covariates of a donor all the same.
    donor
        Codes of the rows.
    n
        Number of donors.
    """
    y = np.asarray(np.bincount(donor, data.y, n), np.float64)
    x = np.ascontiguousarray(data.x[_first(donor, n)])
    exposure = data.exposure.totals(donor, n)
    share = data.exposure.native / exposure.native[donor]
    constant = float((data.y * np.log(share) - gammaln(data.y + 1.0)).sum())
    totals = CountData(y, x, exposure, data.names)
    return DonorRows(totals, np.arange(n + 1, dtype=np.int64), constant, collapsed=True)


def _first(donor: IntArray, n: int) -> IntArray:
    first = np.empty(n, np.int64)
    first[donor[::-1]] = np.arange(donor.size - 1, -1, -1)
    return first
