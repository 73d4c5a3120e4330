"""What is sequenced: native exposure, ambient part, and the error of the contamination."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray, IntArray, refuse
from refsolve.core.result import Result


@dataclass(frozen=True, slots=True, eq=False)
class Exposure(Result):
    r"""Exposure of every row: the mean is :math:`A + S e^\eta`, eq. (1).

    Attributes
    ----------
    native
        S (n,), counts of the cell's own RNA.
    ambient
        A (n,), ambient counts expected of this gene.
    total
        N (n,), all counts.
    share
        Of the gene in the ambient RNA (n,).
    rho_se
        Standard error of the contamination (n,).
    """

    native: FloatArray
    ambient: FloatArray
    total: FloatArray
    share: FloatArray
    rho_se: FloatArray

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.native.size)

    def scaled(self, factor: float) -> Exposure:
        """The same rows if all contamination were so many times what it is.

        Parameters
        ----------
        factor
            Zero takes all counts as native.
        """
        native = self.total - factor * (self.total - self.native)
        refuse(native <= 0, "native", native, "must stay above zero", "use a smaller factor")
        return Exposure(native, factor * self.ambient, self.total, self.share, factor * self.rho_se)

    def rows(self, chosen: Any) -> Exposure:
        """Some of the rows.

        Parameters
        ----------
        chosen
            Positions or marks.
        """
        return Exposure(
            self.native[chosen],
            self.ambient[chosen],
            self.total[chosen],
            self.share[chosen],
            self.rho_se[chosen],
        )

    def totals(self, donor: IntArray, n: int) -> Exposure:
        """Sums over the rows of each donor; share and error are means weighted by all counts.

        Parameters
        ----------
        donor
            Codes (n,) from zero.
        n
            Number of donors.
        """
        sums = [_sums(donor, v, n) for v in (self.native, self.ambient, self.total)]
        means = [_sums(donor, self.total * v, n) / sums[2] for v in (self.share, self.rho_se)]
        return Exposure(*sums, *means)

    def slope(self, native_mean: FloatArray) -> FloatArray:
        """Derivative of every mean in its contamination.

        Parameters
        ----------
        native_mean
            S exp(eta) (n,).
        """
        return self.total * (self.share - native_mean / self.native)


def ambient_exposure(
    total: ArrayLike,
    rho: ArrayLike = 0.0,
    share: ArrayLike = 0.0,
    *,
    rho_se: ArrayLike = 0.0,
    native: ArrayLike | None = None,
) -> Exposure:
    """Exposure of rows with known contamination.

    Parameters
    ----------
    total
        All counts of each row (n,).
    rho
        Share of them that is ambient RNA (n,), or one number.
    share
        Of the gene in the ambient RNA (n,), or one number.
    rho_se
        Standard error of `rho`.
    native
        Native exposure where it is not ``(1 - rho) * total``.

    Examples
    --------
    >>> ambient_exposure([1000.0, 2000.0], rho=[0.1, 0.2], share=0.01).ambient
    array([1., 4.])
    """
    n = np.asarray(total).size
    counts = positive(total, "total", n)
    fraction, of_gene, error = (
        bounded(v, name, n) for v, name in ((rho, "rho"), (share, "share"), (rho_se, "rho_se"))
    )
    refuse(fraction >= 1, "rho", fraction, "must be below 1", "a row without native RNA has no use")
    own = (1.0 - fraction) * counts if native is None else positive(native, "native", n)
    return Exposure(own, fraction * counts * of_gene, counts, of_gene, error)


def as_exposure(exposure: Exposure | ArrayLike, n: int) -> Exposure:
    """Exposure of n rows, whichever form it comes in.

    Parameters
    ----------
    exposure
        Exposure, or counts (n,) without an ambient part.
    n
        Number of rows.
    """
    if not isinstance(exposure, Exposure):
        exposure = ambient_exposure(np.broadcast_to(np.asarray(exposure), (n,)))
    if exposure.n != n:
        raise ValueError(f"exposure has {exposure.n} rows for {n} counts; align them")
    return exposure


def positive(values: ArrayLike, name: str, n: int) -> FloatArray:
    """Finite numbers above zero.

    Parameters
    ----------
    values
        Of n rows, or one number.
    name
        For the message.
    n
        Number of rows.
    """
    array = _rows(values, name, n)
    refuse(~(array > 0), name, array, "must be above zero", "leave the row out")
    return array


def bounded(values: ArrayLike, name: str, n: int) -> FloatArray:
    """Numbers in [0, 1].

    Parameters
    ----------
    values
        Of n rows, or one number.
    name
        For the message.
    n
        Number of rows.
    """
    array = _rows(values, name, n)
    bad = ~((array >= 0) & (array <= 1))
    refuse(bad, name, array, "must lie in [0, 1]", "shares are not percentages")
    return array


def _rows(values: ArrayLike, name: str, n: int) -> FloatArray:
    array = np.asarray(values, np.float64)
    if array.ndim > 1 or array.size not in (1, n):
        raise ValueError(f"{name} has the shape {array.shape}; expected {n} values or one")
    array = np.array(np.broadcast_to(array.ravel(), (n,)))
    refuse(~np.isfinite(array), name, array, "must be finite", "remove or impute the row")
    return array


def _sums(donor: IntArray, values: FloatArray, n: int) -> FloatArray:
    return np.asarray(np.bincount(donor, values, n), np.float64)
