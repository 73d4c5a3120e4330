"""Summary data of one locus: several exposures, one outcome, and the LD between the variants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray, refuse
from refsolve.core.errors import AnalysisError
from refsolve.methods.mvmr.kernels.regression import forward_solve
from refsolve.methods.mvmr.model.ld import ridged

CONSTANT = 1e-6  # relative spread of se_X/se_Y up to which it counts as one number
Basis = Literal["cholesky", "eigen"]


@dataclass(frozen=True, slots=True)
class Summary:
    """Effects of the instruments on every exposure and on the outcome, per counted allele.

    Attributes
    ----------
    exposure_beta, exposure_se
        (J, K); in the scale in which the effects of the exposures are wanted.
    outcome_beta, outcome_se
        (J,).
    ld
        Correlations of the counted alleles (J, J), in the order of the effects.
    exposure_correlation
        Correlation (K, K) of the noise of the exposures: of traits measured in the same people;
        the identity when they come from different people.
    exposures
        Names (K,).
    variants
        Names (J,).
    ridge
        Share of the identity to be mixed into the LD matrix.
    neighbours, neighbour_ld, neighbour_se
        Variants of the locus that `select` left out: names (N,), correlations with the instruments
        (J, N), standard errors on the outcome (N,). A direct effect of one of them reaches the
        instruments through LD.
    """

    exposure_beta: FloatArray
    exposure_se: FloatArray
    outcome_beta: FloatArray
    outcome_se: FloatArray
    ld: FloatArray
    exposure_correlation: FloatArray = field(default_factory=lambda: np.empty((0, 0)))
    exposures: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    ridge: float = 0.0
    neighbours: tuple[str, ...] = ()
    neighbour_ld: FloatArray = field(default_factory=lambda: np.empty((0, 0)))
    neighbour_se: FloatArray = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        columns = {name: _finite(getattr(self, name), name) for name in _EFFECTS}
        j, k = _sizes(columns)
        correlation = self.exposure_correlation
        columns["ld"] = _square(self.ld, "ld", j)
        columns["exposure_correlation"] = (
            np.eye(k) if correlation.size == 0 else _square(correlation, "exposure_correlation", k)
        )
        for name in ("exposure_se", "outcome_se"):
            refuse(
                columns[name] <= 0.0, name, columns[name], "must be positive", "drop the variant"
            )
        for name, array in columns.items():
            object.__setattr__(self, name, array)
        object.__setattr__(self, "exposures", _names(self.exposures, k, "exposures", "exposure"))
        object.__setattr__(self, "variants", _names(self.variants, j, "variants", "variant"))
        if not self.neighbours:
            object.__setattr__(self, "neighbour_ld", np.empty((j, 0)))
            object.__setattr__(self, "neighbour_se", np.empty(0))

    @property
    def n_variants(self) -> int:
        """Instruments."""
        return int(self.outcome_beta.size)

    @property
    def n_exposures(self) -> int:
        """Exposures."""
        return int(self.exposure_beta.shape[1])

    def select(self, index: ArrayLike) -> Summary:
        """The same data for some of the variants; the others become their neighbours.

        Parameters
        ----------
        index
            Rows, by number or by mark.
        """
        rows = np.asarray(index)
        rows = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows.astype(np.int64)
        rest = np.setdiff1d(np.arange(self.n_variants), rows)
        return replace(
            self,
            exposure_beta=self.exposure_beta[rows],
            exposure_se=self.exposure_se[rows],
            outcome_beta=self.outcome_beta[rows],
            outcome_se=self.outcome_se[rows],
            ld=self.ld[np.ix_(rows, rows)],
            variants=tuple(self.variants[r] for r in rows),
            neighbours=(*(self.variants[r] for r in rest), *self.neighbours),
            neighbour_ld=np.hstack([self.ld[np.ix_(rows, rest)], self.neighbour_ld[rows]]),
            neighbour_se=np.concatenate([self.outcome_se[rest], self.neighbour_se]),
        )

    def only(self, exposure: int) -> Summary:
        """The same data with one exposure, as a univariable analysis sees it.

        Parameters
        ----------
        exposure
            Its column.
        """
        k = [exposure]
        return replace(
            self,
            exposure_beta=self.exposure_beta[:, k],
            exposure_se=self.exposure_se[:, k],
            exposure_correlation=np.eye(1),
            exposures=(self.exposures[exposure],),
        )

    def with_ridge(self, ridge: float) -> Summary:
        """The same data with another ridge.

        Parameters
        ----------
        ridge
            Share of the identity, in [0, 1].
        """
        return replace(self, ridge=ridge)

    def independent(self) -> Summary:
        """The same data as if the variants were not correlated."""
        return replace(
            self,
            ld=np.eye(self.n_variants),
            ridge=0.0,
            neighbours=(),
        )


_EFFECTS = ("exposure_beta", "exposure_se", "outcome_beta", "outcome_se")


@dataclass(frozen=True, slots=True)
class Whitened:
    """The regression of the outcome on the exposures with independent noise of variance one.

    Attributes
    ----------
    x, y
        (J, K) and (J,).
    noise
        Covariance of the noise of a row of x: (J, K, K).
    constant
        Whether it is the same for all rows, that is, se_X/se_Y does not depend on the variant.
    spectrum
        Eigenvalues of the LD matrix (J,) in the eigenbasis; ones otherwise.
    root
        Matrix that takes whitened vectors back to z-scores (J, J).
    """

    x: FloatArray
    y: FloatArray
    noise: FloatArray
    constant: bool
    spectrum: FloatArray
    root: FloatArray

    @property
    def mean_noise(self) -> FloatArray:
        """Noise covariance averaged over rows (K, K)."""
        return np.asarray(self.noise.mean(axis=0))


def whiten(summary: Summary, basis: Basis = "cholesky") -> Whitened:
    """Divide by the outcome's standard errors and remove the correlation between variants.

    Parameters
    ----------
    summary
        The data.
    basis
        Cholesky factor in the order of the variants: every row is a variant given those before it.
        Eigenvectors: rows in which direct effects that spread through LD are independent.

    Returns
    -------
    Rows with unit outcome noise.
    """
    ld = ridged(summary.ld, summary.ridge)
    y = summary.outcome_beta / summary.outcome_se
    x = summary.exposure_beta / summary.outcome_se[:, None]
    ratio = summary.exposure_se / summary.outcome_se[:, None]
    spread = np.ptp(ratio, axis=0) / ratio.mean(axis=0)
    constant = bool((spread < CONSTANT).all())
    root, spectrum = _root(ld, basis)
    both = _unroot(root, spectrum, np.column_stack([x, y]), basis)
    if constant:
        one = summary.exposure_correlation * np.outer(ratio.mean(axis=0), ratio.mean(axis=0))
        noise = np.broadcast_to(one, (y.size, *one.shape)).copy()
    else:
        noise = _row_noise(root, spectrum, ld, ratio, summary.exposure_correlation, basis)
    return Whitened(
        np.ascontiguousarray(both[:, :-1]), both[:, -1].copy(), noise, constant, spectrum, root
    )


def _root(ld: FloatArray, basis: Basis) -> tuple[FloatArray, FloatArray]:
    if basis == "eigen":
        spectrum, vectors = np.linalg.eigh(ld)
        if spectrum[0] <= 0.0:
            raise AnalysisError(_SINGULAR.format(spectrum[0]), hint=_REMEDY)
        return vectors * np.sqrt(spectrum), spectrum
    try:
        return np.asarray(np.linalg.cholesky(ld), dtype=np.float64), np.ones(ld.shape[0])
    except np.linalg.LinAlgError as broken:
        low = float(np.linalg.eigvalsh(ld)[0])
        raise AnalysisError(_SINGULAR.format(low), hint=_REMEDY) from broken


_SINGULAR = "The LD matrix of the instruments is not positive definite: smallest eigenvalue {:.2g}."
_REMEDY = "Give a ridge, or repair the matrix with repair_ld."


def _unroot(
    root: FloatArray, spectrum: FloatArray, columns: FloatArray, basis: Basis
) -> FloatArray:
    if basis == "eigen":
        return np.asarray((root.T @ columns) / spectrum[:, None])
    return np.asarray(forward_solve(root, np.ascontiguousarray(columns)))


def _row_noise(
    root: FloatArray,
    spectrum: FloatArray,
    ld: FloatArray,
    ratio: FloatArray,
    correlation: FloatArray,
    basis: Basis,
) -> FloatArray:
    """Covariance of the exposures' noise in every row; that between rows is left out."""
    k = ratio.shape[1]
    # The same LD matrix under the square root of every exposure's noise.
    roots = np.stack([_unroot(root, spectrum, r[:, None] * root, basis) for r in ratio.T])
    noise = np.empty((ld.shape[0], k, k))
    for a in range(k):
        for b in range(k):
            noise[:, a, b] = correlation[a, b] * np.einsum("ij,ij->i", roots[a], roots[b])
    return noise


def _finite(values: ArrayLike, name: str) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    refuse(~np.isfinite(array), name, array, "must be finite", "drop the variant")
    return array


def _sizes(columns: dict[str, FloatArray]) -> tuple[int, int]:
    shape = columns["exposure_beta"].shape
    if len(shape) != 2:
        raise ValueError(
            f"exposure_beta has {len(shape)} dimensions; expected (variants, exposures)"
        )
    for name, want in (
        ("exposure_se", shape),
        ("outcome_beta", shape[:1]),
        ("outcome_se", shape[:1]),
    ):
        if columns[name].shape != want:
            raise ValueError(f"{name} has the shape {columns[name].shape}; expected {want}")
    if shape[0] < shape[1] or shape[1] < 1:
        raise AnalysisError(
            f"{shape[0]} instruments cannot identify {shape[1]} exposures.",
            hint="Select instruments with a weaker threshold, or analyse fewer exposures.",
        )
    return shape


def _square(values: ArrayLike, name: str, size: int) -> FloatArray:
    array = _finite(values, name)
    if array.shape != (size, size):
        raise ValueError(f"{name} has the shape {array.shape}; expected {(size, size)}")
    refuse(np.abs(array) > 1.0 + 1e-9, name, array, "is not a correlation", "pass correlations")
    return array


def _names(names: Sequence[str], size: int, argument: str, stem: str) -> tuple[str, ...]:
    if len(names) == 0:
        return tuple(f"{stem} {i + 1}" for i in range(size))
    if len(names) != size:
        raise ValueError(f"{argument} has {len(names)} names; expected {size}")
    return tuple(str(name) for name in names)
